package provision

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

func TestParseEphemeral(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 10, 0, 0, 1, time.FixedZone("", 3600))
	e := newEphemeral(now, time.Hour)
	if want := time.Date(2026, 11, 29, 10, 0, 1, 0, time.UTC); !e.Expires.Equal(want) {
		t.Errorf("expires %s, want %s, the first second that is not earlier", e.Expires, want)
	}
	if other := newEphemeral(now, time.Hour); other.Run == e.Run {
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

// TestRunEphemeral checks that the mark follows the server's clock, and that the webhook
// exists exactly while run is called, even if run fails or someone else replaces the webhook.
func TestRunEphemeral(t *testing.T) {
	t.Parallel()
	now := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	s := newServer(t, sandbox.Options{Now: func() time.Time { return now }})
	m := newMemory()
	p := New(Options{API: s.client, Secrets: m, ServerTime: s.client.ServerTime})
	plan := func() *Plan {
		t.Helper()
		plan, err := p.EphemeralPlan(t.Context(), Webhook{URL: "https://example.com/a", Description: "mine"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	failed := errors.New("failed")
	err, left := p.RunEphemeral(t.Context(), plan(), func(created mender.Integration) error {
		mark, ok := ParseEphemeral(created.Description)
		if late := mark.Expires.Sub(now.Add(time.Hour)); !ok || late < 0 || late > 2*time.Second {
			t.Errorf("%q, although the server's time is %s", created.Description, now)
		}
		if there := s.integrations(t); len(there) != 1 || there[0].ID != created.ID {
			t.Errorf("the server has %v", there)
		}
		return failed
	})
	if there := s.integrations(t); !errors.Is(err, failed) || left != nil || len(there) != 0 {
		t.Errorf("%v, %v; the server has %v", err, left, there)
	}

	err, left = p.RunEphemeral(t.Context(), plan(), func(mender.Integration) error {
		s.clear(t)
		_, err := s.client.CreateIntegration(t.Context(), mender.NewIntegration{Provider: mender.ProviderWebhook, Credentials: mender.HTTP("https://example.com/b", "")})
		return err
	})
	if there := s.integrations(t); err != nil || left != nil || len(there) != 1 {
		t.Errorf("%v, %v; someone else's webhook is gone: %v", err, left, there)
	}
	if _, err := p.EphemeralPlan(t.Context(), Webhook{}, time.Hour); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v, want a conflict", err)
	}
	s.clear(t)

	ctx, cancel := context.WithCancel(t.Context())
	interrupted := plan()
	cancel()
	err, left = p.RunEphemeral(ctx, interrupted, func(mender.Integration) error {
		t.Error("it runs although it was interrupted")
		return nil
	})
	if there := s.integrations(t); !errors.Is(err, context.Canceled) || left != nil || len(there) != 0 {
		t.Errorf("%v, %v; the server has %v", err, left, there)
	}
}
