package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// release is v1.2.3, served as GitHub serves releases.
type release struct {
	url     string
	archive []byte // as served; the checksum is that of the original
}

func newRelease(t *testing.T) *release {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	r := &release{archive: archive(t)}
	sum := sha256.Sum256(r.archive)
	name := fmt.Sprintf("mender-webhooks_1.2.3_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	mux := http.NewServeMux()
	mux.Handle("GET /latest", http.RedirectHandler("/tag/v1.2.3", http.StatusFound))
	mux.HandleFunc("GET /tag/v1.2.3", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /download/v1.2.3/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(r.archive) })
	mux.HandleFunc("GET /download/v1.2.3/mender-webhooks_1.2.3_checksums.txt", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%x  %s\n%x  %s.cdx.json\n", sum, name, sha256.Sum256(nil), name)
	})
	mux.HandleFunc("GET /install.sh", func(w http.ResponseWriter, req *http.Request) { http.ServeFile(w, req, installScript) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

const installScript = "../../docs/install.sh"

// TestInstallScript runs docs/install.sh against a release that is served here,
// and against one whose archive was changed afterwards.
func TestInstallScript(t *testing.T) {
	r := newRelease(t)
	install := func(prefix string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{installScript}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + prefix, "PREFIX=" + prefix, "MENDER_WEBHOOKS_RELEASES=" + r.url}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	for _, args := range [][]string{nil, {"v1.2.3"}} {
		prefix := t.TempDir()
		if out, err := install(prefix, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		if out, err := exec.CommandContext(t.Context(), filepath.Join(prefix, "bin/mender-webhooks"), "version").CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if _, err := os.Stat(filepath.Join(prefix, "share/man/man1/mender-webhooks.1")); err != nil {
			t.Error(err)
		}
	}

	r.archive = append(bytes.Clone(r.archive), 0)
	prefix := t.TempDir()
	if out, err := install(prefix); err == nil || !strings.Contains(out, "does not match its checksum") {
		t.Errorf("a changed archive: %v\n%s", err, out)
	}
	if found, _ := os.ReadDir(prefix); len(found) > 0 {
		t.Errorf("a changed archive left %v", found)
	}
	if out, err := install(prefix, "v9.9.9"); err == nil || !strings.Contains(out, "cannot download") {
		t.Errorf("a release that does not exist: %v\n%s", err, out)
	}
}

// archive builds a release archive with the program and the man pages.
func archive(t *testing.T) []byte {
	t.Helper()
	pages, err := filepath.Glob("../../docs/man/*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"mender-webhooks": program}
	for _, page := range pages {
		files["man/"+filepath.Base(page)] = page
	}
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	w := tar.NewWriter(compressed)
	for name, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestReleaseHasEveryManPage keeps the cask's list of man pages complete; the
// other packages take the whole folder.
func TestReleaseHasEveryManPage(t *testing.T) {
	config, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/man/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if line := "\n      - man/" + filepath.Base(page) + "\n"; !bytes.Contains(config, []byte(line)) {
			t.Errorf(".goreleaser.yaml: the cask lacks man/%s", filepath.Base(page))
		}
	}
	if listed := bytes.Count(config, []byte("\n      - man/")); listed != len(pages) {
		t.Errorf(".goreleaser.yaml: the cask lists %d man pages, and there are %d", listed, len(pages))
	}
}
