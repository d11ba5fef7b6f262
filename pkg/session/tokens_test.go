package session_test

import (
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/session"
)

// TestSelectTokens selects tokens as `token revoke` does.
func TestSelectTokens(t *testing.T) {
	t.Parallel()
	all := []mender.PersonalAccessToken{
		{ID: "11111111-aaaa", Name: "ci"}, {ID: "11111111-bbbb", Name: "lab"}, {ID: "22222222-cccc", Name: "11111111-aaaa"},
	}
	for names, want := range map[string]string{
		"lab":                     "11111111-bbbb",
		"lab ci":                  "11111111-bbbb 11111111-aaaa",
		"lab lab 11111111-BBBB":   "11111111-bbbb",
		"11111111-aaaa":           "11111111-aaaa", // an id comes before a name
		"22222222":                "22222222-cccc",
		"22222222 ci 11111111-bb": "11111111-aaaa 11111111-bbbb 22222222-cccc", // the one in use is last
	} {
		selected, err := session.SelectTokens(all, strings.Fields(names), "22222222-cccc")
		var ids []string
		for _, s := range selected {
			ids = append(ids, s.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", names, got, err, want)
		}
	}
	for name, kind := range map[string]fault.Kind{"11111111": fault.Usage, "2222222": fault.NotFound, "other": fault.NotFound} {
		if selected, err := session.SelectTokens(all, []string{"ci", name}, ""); selected != nil || fault.KindOf(err) != kind {
			t.Errorf("%s: %v, %v", name, selected, err)
		}
	}
}
