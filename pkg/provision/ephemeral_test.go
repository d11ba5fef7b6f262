package provision

import (
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

func TestParseEphemeral(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 10, 0, 0, 1, time.FixedZone("", 3600))
	e := NewEphemeral(now, time.Hour)
	if want := time.Date(2026, 11, 29, 10, 0, 1, 0, time.UTC); !e.Expires.Equal(want) {
		t.Errorf("expires %s, want %s, the first second that is not earlier", e.Expires, want)
	}
	if other := NewEphemeral(now, time.Hour); other.Run == e.Run {
		t.Error("two runs have the same id")
	}
	text := e.String()
	if got, ok := ParseEphemeral(text); !ok || got != e {
		t.Fatalf("%q: %+v, %v", text, got, ok)
	}
	if len(text) > 1024 {
		t.Errorf("the mark has %d bytes", len(text))
	}
	for _, not := range []string{
		"", "ephemeral", text + " ", " " + text, text + "\n", strings.TrimPrefix(text, "mender-webhooks "), strings.ToUpper(text),
		strings.Replace(text, e.Run, strings.ToUpper(strings.Repeat("ab", 16)), 1), strings.Replace(text, e.Run, e.Run[2:], 1),
		strings.Replace(text, e.Run, e.Run+"00", 1), strings.Replace(text, e.Run, "", 1),
		strings.Replace(text, "2026-11-29T", "2026-02-30T", 1), strings.Replace(text, "Z", "+00:00", 1), strings.Replace(text, "Z", ".0Z", 1),
		strings.Replace(text, "T", "t", 1), text + text,
		strings.Replace(text, ", expires", ",  expires", 1),
	} {
		if got, ok := ParseEphemeral(not); ok {
			t.Errorf("%q counts as %+v", not, got)
		}
	}
}

func TestExpiredIn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	mark := Ephemeral{Run: strings.Repeat("0", 32), Expires: now}
	all := []mender.Integration{{ID: "own", Description: "expires 2020-01-01T00:00:00Z"}, {ID: "run", Description: mark.String()}}
	if expired, inUse := ExpiredIn(all, now); len(expired) != 0 || len(inUse) != 1 {
		t.Errorf("at its expiry: expired %v, in use %v", expired, inUse)
	}
	if expired, inUse := ExpiredIn(all, now.Add(1)); len(expired) != 1 || expired[0].ID != "run" || len(inUse) != 0 {
		t.Errorf("after its expiry: expired %v, in use %v", expired, inUse)
	}
}
