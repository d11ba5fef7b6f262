package cmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

const (
	manyServers = 50
	downServer  = 17
	slowServer  = 23
)

// servers are sandboxes in front of which every request is checked and counted.
type servers struct {
	tokens []string
	urls   []string

	mu       sync.Mutex
	reads    map[int]int
	writes   map[int]int
	foreign  []string // requests with the token of another server, or none
	readAll  chan struct{}
	wroteAll chan struct{}
}

func startServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{
		tokens: make([]string, manyServers), urls: make([]string, manyServers), reads: map[int]int{}, writes: map[int]int{},
		readAll: make(chan struct{}), wroteAll: make(chan struct{}),
	}
	state := stateWithKey(t)
	for n := range manyServers {
		file := filepath.Join(t.TempDir(), "state")
		writeFile(t, file, state)
		box, err := sandbox.New(sandbox.Options{StateFile: file})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = box.Close() })
		if slices.Contains(s.tokens, box.AdminToken()) {
			t.Fatal("two servers have the same token")
		}
		server := httptest.NewServer(s.front(n, box))
		t.Cleanup(server.Close)
		s.tokens[n], s.urls[n] = box.AdminToken(), server.URL
	}
	return s
}

// stateWithKey returns the state of a sandbox that has a key, which takes long to generate,
// and no tokens, so that each sandbox that restores it has its own.
func stateWithKey(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state")
	box, err := sandbox.New(sandbox.Options{StateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]json.RawMessage
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	delete(state, "tokens")
	text, err = json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// front returns the handler of a server. The one that is down closes connections. The slow
// one waits until all others have had their read, or their write.
func (s *servers) front(n int, box http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all := s.arrived(n, r)
		if n == slowServer {
			<-all
		}
		if n == downServer {
			panic(http.ErrAbortHandler)
		}
		box.ServeHTTP(w, r)
	}
}

// arrived checks and counts a request. It returns a channel that is closed once all ordinary
// servers have had a request of the same kind.
func (s *servers) arrived(n int, r *http.Request) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+s.tokens[n] {
		s.foreign = append(s.foreign, fmt.Sprintf("%s %s at server %d", r.Method, r.URL.Path, n))
	}
	count, all := s.reads, s.readAll
	if r.Method != http.MethodGet {
		count, all = s.writes, s.wroteAll
	}
	count[n]++
	if n != slowServer && n != downServer && count[n] == 1 && s.others(count) == manyServers-2 {
		close(all)
	}
	return all
}

// others returns how many servers besides the slow one and the one that is down are counted.
func (s *servers) others(count map[int]int) (n int) {
	for server := range count {
		if server != slowServer && server != downServer {
			n++
		}
	}
	return n
}

// TestApplyToManyServers applies a folder of files to fifty servers, of which one is down
// and one answers only after all others. Every other organization is changed, once, with its
// own token.
func TestApplyToManyServers(t *testing.T) {
	t.Parallel()
	s := startServers(t)
	home := t.TempDir()
	config := "profiles:\n"
	for n, url := range s.urls {
		config += fmt.Sprintf("  customer-%02d: {server: %q, token: %s}\n", n, url, s.tokens[n])
		secret := "none"
		if n%5 == 0 { // to store one takes long
			secret = "generate"
		}
		writeFile(t, filepath.Join(home, "files", fmt.Sprintf("%02d.yaml", manyServers-n)),
			fmt.Sprintf("apiVersion: mender-webhooks/v1\nprofile: customer-%02d\nintegrations:\n"+
				"  - {provider: webhook, url: 'https://example.com/%02[1]d', secret: {%s: true}}\n", n, secret))
	}
	writeFile(t, filepath.Join(home, "config", "mender-webhooks", "config.yaml"), config)
	m := machine{t: t, now: time.Now, env: map[string]string{
		"XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_DATA_HOME": filepath.Join(home, "data"), "HOME": home,
	}}
	apply := func() (code int, stdout, stderr string) {
		return m.run("apply", "-f", filepath.Join(home, "files"), "--yes", "-o", "jsonl", "--no-keyring", "--request-timeout", "10m")
	}

	code, stdout, stderr := apply()
	if code != 6 {
		t.Errorf("exit code %d, want that of the server that is down", code)
	}
	if failed := regexp.MustCompile(`(?m)^error: .*$`).FindAllString(stderr, -1); len(failed) != 1 || !strings.HasPrefix(failed[0], fmt.Sprintf("error: profile customer-%d: ", downServer)) {
		t.Errorf("the errors are %q", failed)
	}
	if !strings.Contains(stderr, "\n49 created in 49 profiles\n") {
		t.Errorf("no summary in %s", stderr)
	}
	if profiles := profilesOf(t, stdout); len(profiles) != manyServers-1 || !slices.IsSorted(profiles) {
		t.Errorf("the result has %q", profiles)
	}
	s.check(t)

	// Nothing is left to do, except at the server that is down.
	if err := os.Remove(filepath.Join(home, "files", fmt.Sprintf("%02d.yaml", manyServers-downServer))); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := apply(); code != 0 || !strings.Contains(stderr, "nothing to do in 49 profiles") {
		t.Errorf("again: exit code %d\n%s", code, stderr)
	}
	s.check(t)
}

// check checks that each server was written to once, and got only its own token.
func (s *servers) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range manyServers {
		want := 1
		if n == downServer {
			want = 0
		}
		if s.writes[n] != want {
			t.Errorf("server %d has %d writes", n, s.writes[n])
		}
	}
	if len(s.foreign) > 0 {
		t.Errorf("tokens at the wrong server: %q", s.foreign)
	}
}

func profilesOf(t *testing.T, lines string) (profiles []string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var plan struct {
			Profile string
			Steps   []struct{ Done bool }
		}
		if err := json.Unmarshal([]byte(line), &plan); err != nil {
			t.Fatal(err)
		}
		if len(plan.Steps) != 1 || !plan.Steps[0].Done {
			t.Errorf("profile %s is not done", plan.Profile)
		}
		profiles = append(profiles, plan.Profile)
	}
	return profiles
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
