package relay_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// filled leaves a store with 300 waiting events, closed or killed.
func filled(t *testing.T, kill bool) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p := startChild(t, child{Dir: dir, Workers: 3, Events: 100})
	p.wait(t, p.published, "done with storing")
	if kill {
		p.kill(t)
		_ = p.stdin.Close() // it is not read any more
	} else {
		p.end(t)
	}
	if len(p.promised) != 300 {
		t.Fatalf("%d events were acknowledged", len(p.promised))
	}
	return dir
}

func cutOff(bytes int64) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		block := lastBlock(t, dir)
		info, err := os.Stat(block)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(block, info.Size()-bytes); err != nil {
			t.Fatal(err)
		}
	}
}

// change sets fields of the store's record.
func change(fields map[string]any) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, "cursor.json")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]any{}
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			all[name] = value
		}
		if raw, err = json.Marshal(all); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheTruthAboutLoss(t *testing.T) {
	intact := func(*testing.T, string) {}
	for name, test := range map[string]struct {
		kill     bool
		damage   func(*testing.T, string)
		lost     bool
		complete bool
		want     string // "%d" is the number of events that are missing
	}{
		"closed":                          {false, intact, false, true, ""},
		"closed, then damaged":            {false, cutOff(1000), true, false, "has lost %d acknowledged events since it was closed"},
		"killed":                          {true, intact, false, true, "was not closed: every acknowledged event is there"},
		"killed, then damaged":            {true, cutOff(1000), true, false, "was not closed and has lost at least %d acknowledged events"},
		"power cut":                       {true, change(map[string]any{"boot": "another"}), false, false, "without --sync, events of the last second may be lost"},
		"power cut, with --sync":          {true, change(map[string]any{"boot": "another", "sync": true}), false, true, "every acknowledged event is there"},
		"killed, and the record was lost": {true, func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "cursor.json")) }, false, false, "no record to check for lost events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filled(t, test.kill)
			test.damage(t, dir)
			said := &talk{t: t}
			s := openStore(t, relay.StoreOptions{Dir: dir, Logf: said.logf})
			r := s.Recovery()
			missing := 300 - len(listed(t, s, relay.Waiting))
			if missing > 0 != test.lost || r.Lost != uint64(missing) || r.Complete != test.complete || r.Unclean != test.kill {
				t.Errorf("%d events are missing, but the store reports %+v", missing, r)
			}
			want := test.want
			if test.lost {
				want = fmt.Sprintf(want, missing)
			}
			text := said.String()
			if !strings.Contains(text, want) || (want == "") != (text == "") || strings.Count(text, "\n") > 1 {
				t.Errorf("one line with %q is wanted, got %q", want, text)
			}
			// It is reported once: nothing is reported at the next start.
			closeStore(t, s)
			again := &talk{t: t}
			s = openStore(t, relay.StoreOptions{Dir: dir, Logf: again.logf})
			if r := s.Recovery(); r.Lost != 0 || !r.Complete || again.String() != "" {
				t.Errorf("at the next start: %+v, %q", r, again)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Dropping and retrying events of a stopped store does not count as a loss.
func TestChangesToAStoppedStoreAreNoLoss(t *testing.T) {
	dir := filled(t, false)
	admin, err := relay.Attach(t.Context(), dir, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Drop(t.Context(), "r0-w0-n10", "r0-w1-n99"); err != nil {
		t.Error(err)
	}
	closeStore(t, admin)
	said := &talk{t: t}
	s := openStore(t, relay.StoreOptions{Dir: dir, Logf: said.logf})
	if r := s.Recovery(); r.Lost != 0 || !r.Complete || r.Waiting != 298 || said.String() != "" {
		t.Errorf("%+v, %q", r, said)
	}
}
