package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

const dist = "../../dist"

// TestImageRuns starts the image as an operator would: not as root, with a
// read-only root, the queue on a volume. It uses podman if that can run a
// container. Otherwise it unpacks the layers and runs the program in a chroot.
func TestImageRuns(t *testing.T) {
	if err := run(dist, ""); err != nil {
		t.Fatal(err)
	}
	command := runner(t)
	if out, err := command(t.Context(), "version").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("linux/"+runtime.GOARCH)) {
		t.Fatalf("version: %v\n%s", err, out)
	}
	secret := "--secret-file=/var/lib/mender-webhooks/hook.secret"

	listen := start(t, command, "listen", "--addr=127.0.0.1:0", "--output=none", secret,
		"--store=/var/lib/mender-webhooks/queue", "--metrics=127.0.0.1:0")
	ready(t, listen.metrics)
	if out, err := command(t.Context(), "trigger", "device-provisioned", "--to="+listen.addr, secret).CombinedOutput(); err != nil {
		t.Fatalf("trigger: %v\n%s", err, out)
	}
	listen.stop(t)

	out, err := command(t.Context(), "queue", "--store=/var/lib/mender-webhooks/queue", "--output=json", "--jq=.waiting").Output()
	if err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Fatalf("the event is not in the queue after a restart: %v, %s", err, out)
	}
}

// runner returns a function that runs the program in the image, with a volume
// that is kept between runs.
func runner(t *testing.T) func(context.Context, ...string) *exec.Cmd {
	t.Helper()
	volume := t.TempDir()
	secret := filepath.Join(volume, "hook.secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("a1"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	podman := func(ctx context.Context, args ...string) *exec.Cmd {
		all := []string{"run", "--rm", "--network=host", "--read-only", "--userns=keep-id:uid=65532,gid=65532", "--volume=" + volume + ":" + home, "oci:" + dist + "/image"}
		return exec.CommandContext(ctx, "podman", append(all, args...)...)
	}
	if os.Getuid() != 0 {
		if out, err := podman(t.Context(), "version").CombinedOutput(); err != nil {
			t.Skipf("neither root nor a podman that can run containers: %v\n%s", err, out)
		}
		return podman
	}
	if runtime.GOOS != "linux" {
		t.Skip("a chroot as another user needs Linux")
	}
	root := filepath.Join(t.TempDir(), "root")
	unpack(t, root)
	for _, name := range []string{volume, secret} {
		if err := os.Chown(name, user, user); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, root, root, syscall.MS_BIND)
	mount(t, volume, filepath.Join(root, home), syscall.MS_BIND)
	mount(t, "", root, syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY)
	return func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "/usr/bin/mender-webhooks", args...)
		cmd.Dir, cmd.Env = home, []string{"PATH=/usr/bin", "HOME=" + home}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user, NoSetGroups: true}}
		return cmd
	}
}

func mount(t *testing.T, source, target string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount(source, target, "", flags, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	if flags&syscall.MS_REMOUNT == 0 {
		t.Cleanup(func() {
			if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
}

// unpack writes the files of this machine's image to root, as their owners.
func unpack(t *testing.T, root string) {
	t.Helper()
	files := mutate.Extract(thisPlatform(t))
	defer files.Close()
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(root, h.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(name, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, data, 0o600)
			}
		}
		if err := errors.Join(err, os.Chmod(name, h.FileInfo().Mode()), os.Chown(name, h.Uid, h.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

func thisPlatform(t *testing.T) v1.Image {
	t.Helper()
	outer, err := layout.ImageIndexFromPath(filepath.Join(dist, "image"))
	if err != nil {
		t.Fatal(err)
	}
	top, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := outer.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		if m.Platform.Architecture != runtime.GOARCH {
			continue
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != "65532:65532" || config.Config.Labels["org.opencontainers.image.version"] == "" {
			t.Fatalf("user %q, labels %v", config.Config.User, config.Config.Labels)
		}
		return image
	}
	t.Skipf("no image for %s in dist", runtime.GOARCH)
	return nil
}

// listener is a running listener.
type listener struct {
	cmd           *exec.Cmd
	addr, metrics string
	ended         chan error
	log           *bytes.Buffer
}

// start runs a listener and reads its address from its log.
func start(t *testing.T, command func(context.Context, ...string) *exec.Cmd, args ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	l := &listener{cmd: command(ctx, args...), ended: make(chan error, 1), log: &bytes.Buffer{}}
	stderr, err := l.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			fmt.Fprintln(l.log, lines.Text())
			for word := range strings.FieldsSeq(lines.Text()) {
				word = strings.TrimRight(word, ";,.\"")
				switch {
				case !strings.HasPrefix(word, "http://127.0.0.1:"):
				case strings.HasSuffix(word, "/metrics"):
					l.metrics = strings.TrimSuffix(word, "/metrics")
				case l.addr == "":
					l.addr = word
				}
			}
			if l.addr != "" && l.metrics != "" && found != nil {
				close(found)
				found = nil
			}
		}
		l.ended <- l.cmd.Wait()
	}()
	select {
	case <-found:
	case err := <-l.ended:
		t.Fatalf("listen ended: %v\n%s", err, l.log)
	}
	return l
}

// stop sends SIGTERM and checks that the listener ends cleanly.
func (l *listener) stop(t *testing.T) {
	t.Helper()
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-l.ended; err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, l.log)
	}
}

func ready(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/readyz: %s", resp.Status)
	}
}
