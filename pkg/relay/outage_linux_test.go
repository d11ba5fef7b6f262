package relay_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// The guarantees of a store while its disk fails.
const (
	answerLimit = 5 * time.Second
	resumeLimit = 15 * time.Second
)

// diskFault is a fault that prevents all writing.
type diskFault struct {
	name  string
	mount func(t *testing.T) string
	// begin causes the fault, and returns a function that ends it.
	begin func(t *testing.T, disk string) (end func())
}

func diskFaults() []diskFault {
	return []diskFault{
		{"no space", func(t *testing.T) string { return mountTmpfs(t, "size=24m") }, func(t *testing.T, disk string) func() {
			return fillDisk(t, disk, 0)
		}},
		{"no inodes", func(t *testing.T) string { return mountTmpfs(t, "size=24m,nr_inodes=40") }, useUpInodes},
		{"no descriptors", func(t *testing.T) string { return t.TempDir() }, useUpDescriptors},
		{"writes block", mountExt4, freezeDisk},
	}
}

// While nothing can be written, every event is answered in time. Soon after that,
// events are stored again.
func TestEventsAreAnsweredWhileTheDiskFails(t *testing.T) {
	for _, fault := range diskFaults() {
		t.Run(fault.name, func(t *testing.T) {
			disk := fault.mount(t)
			s, err := relay.Open(t.Context(), relay.StoreOptions{
				Dir: filepath.Join(disk, "store"), MaxBytes: 1 << 30, MinFree: 1, Logf: quietLog(t),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() }) // the disk may be gone
			app := newApplication(t, nil)
			if _, err := s.Forward(quick(app.URL)); err != nil {
				t.Fatal(err)
			}
			var promised sync.Map
			answered := func(id string) bool {
				e := event(id)
				e.Body = append(e.Body, bytes.Repeat([]byte(" "), 3<<10)...)
				start := time.Now()
				outcome, _ := s.Publish(t.Context(), e)
				if took := time.Since(start); took > answerLimit {
					t.Errorf("the answer to %s took %s", id, took)
				}
				ok := outcome == relay.Stored || outcome == relay.Duplicate
				if ok {
					promised.Store(id, true)
				}
				return ok
			}
			if !answered("before") {
				t.Error("it was refused before the disk failed")
			}
			end := fault.begin(t, disk)
			var n, refused atomic.Int64
			var senders sync.WaitGroup
			for range 8 {
				senders.Go(func() {
					for start := time.Now(); time.Since(start) < 3*time.Second; {
						if !answered(fmt.Sprintf("during-%d", n.Add(1))) {
							refused.Add(1)
							time.Sleep(10 * time.Millisecond) // leave processor time to the store
						}
					}
				})
			}
			senders.Wait()
			if refused.Load() == 0 {
				t.Error("nothing was refused")
			}
			if err := s.Ready(t.Context()); err == nil {
				t.Error("it says that it is ready")
			}
			end()
			start := time.Now()
			eventually(t, "events are stored again", func() bool { return answered("after") })
			if took := time.Since(start); took > resumeLimit {
				t.Errorf("it took %s to store events again", took)
			}
			eventually(t, "all that was stored is delivered", func() bool {
				missing := false
				promised.Range(func(id, _ any) bool {
					missing = app.triesOf(id.(string)) == 0
					return !missing
				})
				return !missing
			})
		})
	}
}

func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// mountExt4 mounts a file as a disk.
func mountExt4(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(40 << 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop,errors=continue", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("mounting is not possible here: %s: %v: %s", args[0], err, out)
		}
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func useUpInodes(t *testing.T, disk string) func() {
	t.Helper()
	var names []string
	for i := range 100 {
		name := filepath.Join(disk, fmt.Sprintf("used-%d", i))
		f, err := os.Create(name)
		if err != nil {
			break
		}
		_ = f.Close()
		names = append(names, name)
	}
	return func() {
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
}

func useUpDescriptors(t *testing.T, _ string) func() {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	limited := was
	limited.Cur = 8 // open files stay open
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limited); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return end
}

func freezeDisk(t *testing.T, disk string) func() {
	t.Helper()
	if out, err := exec.Command("fsfreeze", "-f", disk).CombinedOutput(); err != nil {
		t.Skipf("freezing a disk is not possible here: %v: %s", err, out)
	}
	thawed := false
	end := func() {
		if thawed {
			return
		}
		thawed = true
		if out, err := exec.Command("fsfreeze", "-u", disk).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	t.Cleanup(end)
	return end
}
