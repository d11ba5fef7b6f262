package cmd_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// minimal returns the smallest valid command line of each command.
func minimal() map[string][]string {
	const id = "3bb0e41e-0000-4000-8000-000000000000"
	return map[string][]string{
		"activity": {"--all"}, "apply": {"-f", "webhooks.yaml", "--yes"},
		"create": {"--url", "https://example.com/", "--no-secret"}, "delete": {id, "--yes"},
		"config get": {"server"}, "config set": {"server", "https://example.com"}, "config unset": {"server"}, "config use": {"default"},
		"listen":     {"--addr", "127.0.0.1:0", "--exit-after", "1", "--timeout", "1ms"},
		"queue drop": {id, "--store", "st", "--yes"}, "queue retry": {id, "--store", "st"}, "queue show": {id, "--store", "st"},
		"queue": {"--store", "st"}, "queue list": {"--store", "st"},
		"redeliver": {"--failed", "--dry-run"}, "reconcile": {"--state", "known", "--dry-run"}, "secret set": {id}, "secret forget": {id, "--yes"},
		"token create": {"ci"}, "token revoke": {"ci", "--yes"},
		"trigger": {"device-decommissioned", "--to", "http://127.0.0.1:1/"}, "update": {id, "--no-secret"},
		"verify": {"--signature", "00"}, "login": {"--username", "admin@example.com", "--password-stdin"},
	}
}

// TestEmptyValueIsRefused checks that an empty flag, argument or variable is an
// error: the command exits with 2, sends nothing and changes nothing.
func TestEmptyValueIsRefused(t *testing.T) {
	t.Parallel()
	m := newEmptyMachine(t)
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "mender-webhooks ")
		if strings.HasPrefix(path, "completion") || path == "help" {
			return
		}
		words := strings.Fields(path)
		given := minimal()[path]
		c.InheritedFlags() // merges the parents' flags
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				return
			}
			m.refuses(slices.Concat(words, without(given, f), []string{"--" + f.Name, ""}))
			m.refuses(slices.Concat(words, without(given, f), []string{"--" + f.Name + "= "}))
			if f.Value.Type() == "stringSlice" {
				m.refuses(slices.Concat(words, without(given, f), []string{"--" + f.Name, "a,"}))
			}
		})
		m.refuses(slices.Concat(words, flagsOf(given), []string{""}))
		m.refuses(slices.Concat(words, given, []string{" "}))
	})
	for _, name := range []string{config.EnvServer, config.EnvToken, config.EnvProfile, config.EnvConfig, config.EnvCACert} {
		for _, value := range []string{"", " "} {
			m.refusesWith(map[string]string{name: value}, []string{"list"})
		}
	}
	for _, line := range [][]string{{"trigger", "device-decommissioned", "--to", "http://127.0.0.1:1/"}, {"verify", "--signature", "00"}, {"secret", "set"}} {
		m.refusesWith(map[string]string{config.EnvWebhookSecret: ""}, line)
	}
	if m.runs < 300 {
		t.Errorf("only %d command lines were tried", m.runs)
	}
}

// flagsOf returns a command line without its arguments.
func flagsOf(line []string) []string {
	i := slices.IndexFunc(line, func(word string) bool { return strings.HasPrefix(word, "-") })
	if i < 0 {
		return nil
	}
	return line[i:]
}

// without returns a command line without the flag.
func without(line []string, f *pflag.Flag) []string {
	i := slices.IndexFunc(line, func(word string) bool { return word == "--"+f.Name || f.Shorthand != "" && word == "-"+f.Shorthand })
	if i < 0 {
		return line
	}
	return slices.Concat(line[:i], line[i+2:])
}

// emptyMachine is a home folder and a sandbox that counts its requests.
type emptyMachine struct {
	t        *testing.T
	env      map[string]string
	home     string
	before   map[string]string
	requests int
	runs     int
}

func newEmptyMachine(t *testing.T) *emptyMachine {
	t.Helper()
	sb, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := &emptyMachine{t: t, home: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests++
		sb.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	folder := filepath.Join(m.home, "config", "mender-webhooks")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	profiles := "profiles:\n  default: {server: \"" + server.URL + "\", username: admin@example.com}\n"
	if err := os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	m.env = map[string]string{
		"HOME": m.home, "XDG_CONFIG_HOME": filepath.Join(m.home, "config"), "XDG_DATA_HOME": filepath.Join(m.home, "data"),
		"MENDER_SERVER_ACCESS_TOKEN": sb.AdminToken(),
	}
	m.before = m.files()
	return m
}

func (m *emptyMachine) files() map[string]string {
	files := map[string]string{}
	err := filepath.Walk(m.home, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			files[path] = read(m.t, path)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return files
}

func (m *emptyMachine) refuses(line []string) {
	m.t.Helper()
	m.refusesWith(nil, line)
}

func (m *emptyMachine) refusesWith(env map[string]string, line []string) {
	m.t.Helper()
	m.runs++
	m.requests = 0
	var out, said bytes.Buffer
	code := cmd.Run(context.Background(), line, cmd.Streams{In: strings.NewReader("x"), Out: &out, Err: &said},
		func(name string) (string, bool) {
			if v, ok := env[name]; ok {
				return v, ok
			}
			v, ok := m.env[name]
			return v, ok
		}, nil)
	if code != 2 || out.Len() > 0 || m.requests > 0 {
		m.t.Errorf("%q with %v: exit code %d, %d requests, stdout %q, stderr %q", line, env, code, m.requests, out.String(), said.String())
	}
	if after := m.files(); len(after) != len(m.before) {
		m.t.Errorf("%q changed files", line)
		m.before = after
	}
}
