package docs_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestAlerts compares the table in production.md with the alerting rules, which must
// be valid YAML even where no promtool checks them.
func TestAlerts(t *testing.T) {
	t.Parallel()
	names := func(path, pattern string) (found []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
			found = append(found, m[1])
		}
		return found
	}
	rules := names("deploy/prometheus/alerts.yml", `(?m)- alert: (\w+)$`)
	table := names("production.md", "(?m)^\\| `(MenderWebhooks\\w+)` \\|")
	var parsed any
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/alerts.yml")), &parsed); err != nil {
		t.Errorf("alerts.yml: %v", err)
	}
	if len(rules) == 0 || !slices.Equal(rules, table) {
		t.Errorf("alerts.yml has the alerts %q, and the table in production.md %q", rules, table)
	}
}
