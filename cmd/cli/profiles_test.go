package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// TestEach runs forty profiles, none of which continues before as many as allowed run.
func TestEach(t *testing.T) {
	a := &App{Err: &bytes.Buffer{}}
	var apps []*App
	for n := range 5 * profilesAtOnce {
		apps = append(apps, a.ForProfile(string(rune('A'+n))))
	}
	var mu sync.Mutex
	running, most := 0, 0
	full := make(chan struct{})
	var fill sync.Once
	self := func(app *App) *App { return app }
	names, err := Each(t.Context(), apps, self, func(_ context.Context, app *App) (string, error) {
		mu.Lock()
		running++
		if most = max(most, running); running == profilesAtOnce {
			fill.Do(func() { close(full) })
		}
		mu.Unlock()
		<-full
		app.Say("seen\ntwice")
		mu.Lock()
		running--
		mu.Unlock()
		switch app.Profile() {
		case "B":
			return "", fault.New(fault.NotFound, "not there")
		case "C":
			return "C", &SilentError{Kind: fault.Access}
		}
		return app.Profile(), nil
	})
	if most != profilesAtOnce {
		t.Errorf("%d at once, want %d", most, profilesAtOnce)
	}
	if len(names) != len(apps)-1 || !slices.IsSorted(names) || names[0] != "A" || names[1] != "C" {
		t.Errorf("got %q", names)
	}
	var failed *ProfilesError
	if !errors.As(err, &failed) || len(failed.Failures) != 2 || !strings.HasPrefix(err.Error(), "profile B: not there; profile C: ") {
		t.Errorf("got %v", err)
	}
	said := a.Err.(*bytes.Buffer).String()
	if !strings.Contains(said, "B: seen\nB: twice\n") || strings.Count(said, "\n") != 2*len(apps) {
		t.Errorf("said %q", said)
	}
}

// TestEachEnds cancels a run: profiles whose turn has not come are not started.
func TestEachEnds(t *testing.T) {
	a := &App{Err: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	var apps []*App
	for range 3 * profilesAtOnce {
		apps = append(apps, a.ForProfile("p"))
	}
	var mu sync.Mutex
	started := 0
	_, err := Each(ctx, apps, func(app *App) *App { return app }, func(ctx context.Context, _ *App) (int, error) {
		mu.Lock()
		if started++; started == profilesAtOnce {
			cancel()
		}
		mu.Unlock()
		<-ctx.Done()
		return 0, ctx.Err()
	})
	var failed *ProfilesError
	if !errors.As(err, &failed) || len(failed.Failures) != len(apps) || started != profilesAtOnce || fault.KindOf(err) != fault.Interrupted {
		t.Errorf("%d started, got %v", started, err)
	}
}

// TestSingleErrorStaysAsItIs checks that a command without several profiles reports its error
// as before.
func TestSingleErrorStaysAsItIs(t *testing.T) {
	cause := errors.New("cause")
	_, err := Each(t.Context(), []*App{{}}, func(app *App) *App { return app }, func(context.Context, *App) (int, error) { return 0, cause })
	if err != cause { //nolint:errorlint // the same value
		t.Errorf("got %v", err)
	}
}
