package relay_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// mountDisk mounts the file system in an image.
func mountDisk(t *testing.T, image string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("a power cut needs a disk of its own, and mounting one is not possible here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// With Sync, an acknowledged event is on the disk, and does not depend on the
// kernel's cache.
func TestSyncedEventsSurviveAPowerCut(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("a power cut needs a disk of its own, and making one is not possible here: %v: %s", err, out)
	}
	dir := filepath.Join(mountDisk(t, image), "store")
	p := startChild(t, child{Dir: dir, Workers: 2, Events: 20, Sync: true, MinFree: 1})
	p.wait(t, p.published, "done with storing")
	disk, err := os.ReadFile(image) // as it is at this moment
	if err != nil {
		t.Fatal(err)
	}
	p.kill(t)
	_ = p.stdin.Close() // it is not read any more
	after := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(after, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(mountDisk(t, after), "store")
	s := openStore(t, relay.StoreOptions{Dir: dir, MinFree: 1})
	got := listed(t, s, relay.Waiting)
	for _, id := range p.promised {
		if !slices.Contains(got, id) {
			t.Errorf("%s is lost", id)
		}
	}
	if len(p.promised) != 40 {
		t.Errorf("%d events were acknowledged", len(p.promised))
	}
	closeStore(t, s)
}
