package relay_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// talk collects the messages of a store.
type talk struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (l *talk) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.b, format+"\n", args...)
	l.t.Logf(format, args...)
}

func (l *talk) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lastBlock returns the file with the last events.
func lastBlock(t *testing.T, dir string) string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "MENDER_EVENTS", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks: %v", err)
	}
	return slices.MaxFunc(blocks, func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) })
}

// crashed leaves a store as a kill would, with 20 delivered and 10 waiting events.
func crashed(t *testing.T, url string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p := startChild(t, child{Dir: dir, URL: url, Workers: 1, Events: 30, Concurrency: 1})
	p.wait(t, p.published, "done with storing")
	t.Cleanup(func() { _ = p.stdin.Close() })
	eventually(t, "the figures were written down", func() bool {
		raw, err := os.ReadFile(filepath.Join(dir, "cursor.json"))
		return err == nil && bytes.Contains(raw, []byte(`"last":30,"floor":20`))
	})
	p.kill(t)
	return dir
}

func TestTornLastBlock(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"end cut off": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			info, err := os.Stat(block)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(block, info.Size()-100); err != nil {
				t.Fatal(err)
			}
		},
		"end garbled": func(t *testing.T, dir string) {
			overwrite(t, lastBlock(t, dir), -200)
		},
		"end cut off and index lost": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			info, err := os.Stat(block)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(block, info.Size()*3/4); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(filepath.Dir(block), "index.db"))
		},
		"forgotten consumer": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			if err := os.RemoveAll(filepath.Join(filepath.Dir(filepath.Dir(block)), "obs")); err != nil {
				t.Fatal(err)
			}
		},
		"garbled consumer state": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			overwrite(t, filepath.Join(filepath.Dir(filepath.Dir(block)), "obs", "forward", "o.dat"), 0)
		},
		"empty consumer state": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			if err := os.Truncate(filepath.Join(filepath.Dir(filepath.Dir(block)), "obs", "forward", "o.dat"), 0); err != nil {
				t.Fatal(err)
			}
		},
		"garbled stream description": func(t *testing.T, dir string) {
			block := lastBlock(t, dir)
			overwrite(t, filepath.Join(filepath.Dir(filepath.Dir(block)), "meta.inf"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			taken := 0
			app := newApplication(t, func(string, int) int {
				mu.Lock()
				defer mu.Unlock()
				if taken++; taken > 20 {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			})
			dir := crashed(t, app.URL)
			before := app.took()
			damage(t, dir)

			said := &talk{t: t}
			s := openStore(t, relay.StoreOptions{Dir: dir, Logf: said.logf, AckWait: 300 * time.Millisecond})
			r := s.Recovery()
			t.Logf("%+v", r)
			if !r.Unclean || said.String() == "" {
				t.Error("nothing was said")
			}
			left := listed(t, s, relay.Waiting)
			publish(t, s, "new1", "new2")
			second := newApplication(t, nil)
			forward(t, s, quick(second.URL))
			eventually(t, "the new ones are delivered", func() bool { return slices.Contains(second.took(), "new2") })
			want := append(slices.Clone(left), "new1", "new2")
			got := slices.DeleteFunc(second.took(), func(id string) bool { return slices.Contains(before, id) })
			want = slices.DeleteFunc(want, func(id string) bool { return slices.Contains(before, id) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if again := len(second.took()) - len(got); again > 1 {
				t.Errorf("%d events were delivered again", again)
			}
			if lost := 10 - (len(got) - 2); lost > 0 && (r.Lost == 0 || r.Complete) {
				t.Errorf("%d events were lost, and nothing was said of it", lost)
			} else {
				t.Logf("%d events were lost", lost)
			}
		})
	}
}

// overwrite fills a file with random bytes from an offset. A negative offset
// counts from the end.
func overwrite(t *testing.T, path string, from int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if from < 0 {
		from += len(raw)
	}
	_, _ = rand.Read(raw[from:])
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
