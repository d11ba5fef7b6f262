package relay_test

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// smallDisk mounts a file system of 24 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a full disk needs a small file system, and mounting one is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillDisk fills the disk, except for leave bytes.
func fillDisk(t *testing.T, dir string, leave int64) (remove func()) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(s.Bavail)*s.Bsize-leave); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	for _, test := range []struct {
		name    string
		minFree int64
		refused []relay.Outcome
	}{
		{"with a reserve", 4 << 20, []relay.Outcome{relay.Full}},
		// A failed write breaks the stream, unless the free space is checked first.
		{"to the last byte", 1, []relay.Outcome{relay.Full, relay.Unavailable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := smallDisk(t)
			dir := filepath.Join(disk, "store")
			app := &moody{first: map[string]time.Time{}}
			app.set(true)
			c := child{
				Dir: dir, URL: newServer(t, app), Concurrency: 1,
				MaxBytes: 1 << 30, MinFree: test.minFree,
				Workers: 4, Events: 500,
			}
			// The disk becomes full while the store is in use.
			closeStore(t, openStore(t, relay.StoreOptions{Dir: dir, MaxBytes: 1 << 30}))
			remove := fillDisk(t, disk, test.minFree+100<<10)
			p := startChild(t, c)
			p.wait(t, p.published, "done with storing")
			p.mu.Lock()
			promised := append([]string(nil), p.promised...)
			if len(promised) == 0 || len(promised) == 2000 || len(p.refused) == 0 {
				t.Errorf("%d promised, refused %v", len(promised), p.refused)
			}
			for outcome := range p.refused {
				if !slices.Contains(test.refused, outcome) {
					t.Errorf("refused %v", p.refused)
				}
			}
			t.Logf("%d promised, refused %v", len(promised), p.refused)
			p.mu.Unlock()
			p.kill(t)

			// It also starts on a full disk, and continues once there is room.
			c.Round, c.Events = 1, 1
			p = startChild(t, c)
			p.wait(t, p.published, "done with storing")
			remove()
			app.set(false)
			eventually(t, "all promised events are delivered", func() bool { return len(app.missing(promised)) == 0 })
			p.end(t)
			c.Round, c.Events = 2, 10
			p = startChild(t, c)
			p.wait(t, p.published, "done with storing")
			if diff := cmp.Diff(40, len(p.promised)); diff != "" {
				t.Errorf("promised: %s", diff)
			}
			eventually(t, "all promised events are delivered", func() bool { return len(app.missing(p.promised)) == 0 })
			p.end(t)
		})
	}
}

// A store whose write failed accepts events again once there is room.
func TestFullDiskHeals(t *testing.T) {
	disk := smallDisk(t)
	s := openStore(t, relay.StoreOptions{
		Dir: filepath.Join(disk, "store"), MaxBytes: 1 << 30, MinFree: 1, AckTimeout: 500 * time.Millisecond,
	})
	app := newApplication(t, nil)
	forward(t, s, quick(app.URL))
	publish(t, s, "before")
	remove := fillDisk(t, disk, 0)
	body := make([]byte, 64<<10)
	eventually(t, "an event is refused", func() bool {
		e := event("large")
		e.Body = append(e.Body, body...)
		outcome, _ := s.Publish(t.Context(), e)
		return outcome == relay.Unavailable || outcome == relay.Full
	})
	remove()
	eventually(t, "events are accepted", func() bool {
		outcome, _ := s.Publish(t.Context(), event("after"))
		return outcome == relay.Stored || outcome == relay.Duplicate
	})
	eventually(t, "it is delivered", func() bool { return app.triesOf("after") == 1 && app.triesOf("before") == 1 })
	status, err := s.Status(t.Context())
	if err != nil || !status.Forwarding {
		t.Errorf("%+v, %v", status, err)
	}
}
