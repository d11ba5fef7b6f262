package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// FileFailure returns a usage error for files with mistakes. If there are several mistakes,
// it also prints each on a line of its own. outcome says that nothing has happened yet.
func (a *App) FileFailure(outcome string, wrong ...*yamlfile.Error) error {
	var lines, names []string
	for _, w := range wrong {
		lines = append(lines, w.Lines()...)
		names = append(names, w.Name)
	}
	if len(lines) == 1 || a.Flags.Output == string(output.JSON) {
		return Usagef("%s", strings.Join(lines, "; "))
	}
	for _, line := range lines {
		a.PrintError(line)
	}
	if len(wrong) > 1 {
		return Usagef("%s have %d errors; %s", strings.Join(names, ", "), len(lines), outcome)
	}
	return Usagef("%s has %d errors; %s", names[0], len(lines), outcome)
}

// CheckProfile returns an error if the config file does not have a profile.
func (a *App) CheckProfile(name string) error {
	names, err := a.ProfileNames()
	if err != nil || slices.Contains(names, name) {
		return err
	}
	if near := suggest.Name(name, names); near != "" {
		return fmt.Errorf("the config file has no profile %q; did you mean %q?", name, near)
	}
	return fmt.Errorf("the config file has no profile %q", name)
}
