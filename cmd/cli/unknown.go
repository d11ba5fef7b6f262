package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// WarnUnknown warns about unknown values, because they are probably typos. It does not
// refuse them, because newer versions of Mender may have more values.
func (a *App) WarnUnknown(flag string, given, known []string) {
	for _, word := range given {
		if slices.Contains(known, word) {
			continue
		}
		next := "known values are " + strings.Join(known, ", ")
		if similar := suggest.Name(word, known); similar != "" {
			next = "did you mean " + similar + "?"
		}
		a.Warn("unknown %s %q, used anyway; %s", flag, word, next)
	}
}

// IntegrationID returns the id of the integration with the given id, unique prefix of an
// id, or URL. It returns a complete id unchanged, because the integration may have been
// deleted.
func (a *App) IntegrationID(ctx context.Context, client *mender.Client, given string) (string, error) {
	if given == "" || uuid.Validate(given) == nil {
		return given, nil
	}
	i, err := a.FindIntegration(ctx, client, given)
	return i.ID, err
}
