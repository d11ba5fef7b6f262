package config

import (
	"context"
	"errors"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const commented = `# Mender, for the fleet team

profile: prod # the real one

# All of them
profiles:
    # production
    prod:
        server: "https://prod.example" # by the gateway

        # sees everything
        username: admin@example.com

    Eu.2: {server: eu.example, skip-verify: true} # short
    bare:
# the end
`

func TestEdit(t *testing.T) {
	ctx := context.Background()
	set := func(profile, key, value string) func(File) error {
		return func(f File) error { return f.Set(ctx, profile, key, value) }
	}
	unset := func(profile, key string) func(File) error {
		return func(f File) error { return f.Unset(ctx, profile, key) }
	}
	use := func(profile string) func(File) error { return func(f File) error { return f.Use(ctx, profile) } }
	rename := func(from, to string) func(File) error {
		return func(f File) error { return f.Rename(ctx, from, to) }
	}
	commentedWith := func(was, is string) string { return strings.Replace(commented, was, is, 1) }
	for name, test := range map[string]struct {
		before string
		edits  []func(File) error
		after  string
	}{
		"new file": {"", []func(File) error{set("lab", "server", "Lab.example/"), set("lab", "skip-verify", "true"), set("b", "request-timeout", "90s")},
			"profile: lab\nprofiles:\n  lab:\n    server: https://lab.example\n    skip-verify: true\n  b:\n    request-timeout: 1m30s\n"},
		"comment alone":     {"# mine\n", []func(File) error{set("lab", "username", "a")}, "# mine\nprofile: lab\nprofiles:\n  lab:\n    username: a\n"},
		"change":            {commented, []func(File) error{set("prod", "server", "new.example")}, commentedWith(`"https://prod.example"`, "https://new.example")},
		"same again":        {commented, []func(File) error{set("prod", "username", "admin@example.com")}, commented},
		"add a setting":     {commented, []func(File) error{set("prod", "allow-http", "true")}, commentedWith("admin@example.com\n", "admin@example.com\n        allow-http: true\n")},
		"into braces":       {commented, []func(File) error{set("Eu.2", "username", "u")}, commentedWith("verify: true}", "verify: true, username: u}")},
		"into an empty one": {commented, []func(File) error{set("bare", "username", "u")}, commentedWith("bare:\n", "bare:\n      username: u\n")},
		"new profile":       {commented, []func(File) error{set("a.b C", "username", "true")}, commentedWith("# the end", "    a.b C:\n      username: true\n# the end")},
		"use":               {commented, []func(File) error{use("Eu.2")}, commentedWith("profile: prod", "profile: Eu.2")},
		"use, none before":  {"profiles:\n  a: {}\n", []func(File) error{use("a")}, "profiles:\n  a: {}\nprofile: a\n"},
		"rename":            {commented, []func(File) error{rename("Eu.2", "yes: #1")}, commentedWith("Eu.2", `"yes: #1"`)},
		"rename current": {commented, []func(File) error{rename("prod", "live")},
			strings.Replace(commentedWith("profile: prod", "profile: live"), "    prod:", "    live:", 1)},
		"rename a bare one":   {commented, []func(File) error{rename("bare", "b")}, commentedWith("bare:", "b:")},
		"rename the implicit": {"profiles:\n  default: # ours\n    server: https://x\n", []func(File) error{rename("default", "a")}, "profiles:\n  a: # ours\n    server: https://x\nprofile: a\n"},
		"unset":               {commented, []func(File) error{unset("prod", "username")}, commentedWith("\n        # sees everything\n        username: admin@example.com\n", "")},
		"unset the last":      {"profiles:\n  a:\n    server: x\n", []func(File) error{unset("a", "server")}, "profiles:\n  a: {}\n"},
		"remove":              {commented, []func(File) error{unset("Eu.2", "")}, commentedWith("\n    Eu.2: {server: eu.example, skip-verify: true} # short\n", "")},
		"remove current":      {"profile: a\nprofiles:\n  a:\n    server: x\n  b: {}\n", []func(File) error{unset("a", "")}, "profiles:\n  b: {}\n"},
		"profiles: nothing":   {"profiles:\n", []func(File) error{set("a", "server", "x")}, "profiles:\n  a:\n    server: https://x\nprofile: a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "config.yaml")
			if test.before != "" {
				write(t, path, test.before)
			}
			for _, edit := range test.edits {
				if err := edit(NewFile(path)); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.after, read(t, path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEditRefuses(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "config.yaml")
	f := NewFile(path)
	write(t, path, "profiles:\n  prod: {server: x}\n")
	for name, test := range map[string]struct {
		err   error
		usage bool
		want  string
	}{
		"misspelt":       {f.Set(ctx, "prod", "sever", "x"), true, `unknown setting "sever"; did you mean "server"?`},
		"bad value":      {f.Set(ctx, "prod", "request-timeout", "soon"), true, "invalid request-timeout"},
		"bad name":       {f.Set(ctx, "a\nb", "server", "x"), true, "invalid profile name"},
		"empty name":     {f.Set(ctx, "", "server", "x"), true, "invalid profile name"},
		"use of none":    {f.Use(ctx, "prd"), true, `did you mean "prod"?`},
		"rename of none": {f.Rename(ctx, "prd", "b"), true, `did you mean "prod"?`},
		"bad new name":   {f.Rename(ctx, "prod", "a\nb"), true, "invalid profile name"},
		"unset of none":  {f.Unset(ctx, "prod", "username"), false, "not set"},
		"no profile":     {f.Unset(ctx, "other", ""), false, "not set"},
		"no place":       {NewFile("").Set(ctx, "a", "server", "x"), true, "--config"},
	} {
		if test.err == nil || (fault.KindOf(test.err) == fault.Usage) != test.usage {
			t.Errorf("%s: got %v", name, test.err)
			continue
		}
		text := test.err.Error()
		text += fault.HintOf(test.err)
		if !strings.Contains(text, test.want) || (!test.usage && !errors.Is(test.err, ErrNotSet)) {
			t.Errorf("%s: got %s, want %s", name, text, test.want)
		}
	}
	if got := read(t, path); got != "profiles:\n  prod: {server: x}\n" {
		t.Errorf("the file was changed: %s", got)
	}
}

func TestFileReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, "profile: b\nprofiles:\n  b:\n    token: "+jwt+"\n    server: x\n  a: {}\n")
	f := NewFile(path)
	got, err := f.Profiles()
	want := []Profile{
		{Name: "b", Current: true, Values: []Value{
			{"token", hidden, SourceProfile, path + ":4"}, {"server", "https://x", SourceProfile, path + ":5"}}},
		{Name: "a", Values: []Value{}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if text, err := f.Get("b", "server"); text != "https://x" || err != nil {
		t.Error(text, err)
	}
	if _, err := f.Get("a", "server"); !errors.Is(err, ErrNotSet) {
		t.Error(err)
	}
	if got, err := NewFile(filepath.Join(t.TempDir(), "none")).Profiles(); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}

func TestModesAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes on Windows")
	}
	ctx, dir := context.Background(), t.TempDir()
	path := filepath.Join(dir, "new", "config.yaml")
	if err := NewFile(path).Set(ctx, "a", "token", jwt); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil { // a link is followed only in a folder that no one else can write to
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open.yaml")
	write(t, open, "profiles:\n  a: {}\n")
	if err := os.Chmod(open, 0o644); err != nil { //nolint:gosec // the test needs this mode
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(link).Set(ctx, "a", "server", "x"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open); !strings.Contains(got, "https://x") {
		t.Errorf("the file behind the link is %q", got)
	}
	if info, err := os.Stat(open); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file behind the link did not keep its mode: %v, %v", info.Mode(), err)
	}
	err := NewFile(link).Set(ctx, "a", "token", jwt)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "chmod 600") || strings.Contains(err.Error(), jwt) {
		t.Errorf("a token in a file with mode 0644: %v", err)
	}
	if strings.Contains(read(t, open), jwt) {
		t.Error("the token was written")
	}
}

func TestNothingOfTheEnvironmentIsSaved(t *testing.T) {
	m := newMachine(t)
	m.env[EnvServer], m.env[EnvToken] = "https://env.example", "from-env"
	path, err := ConfigFile(m.input())
	if err != nil {
		t.Fatal(err)
	}
	if err := NewFile(path).Set(t.Context(), "a", "username", "u"); err != nil {
		t.Fatal(err)
	}
	if text := read(t, path); strings.Contains(text, "env") {
		t.Error(text)
	}
}

// TestTwoProcesses runs several copies of this test binary that edit one file at
// once. No edit may be lost.
func TestTwoProcesses(t *testing.T) {
	const editor, processes, edits = "CONFIG_TEST_EDITOR", 3, 10
	if path := os.Getenv(editor); path != "" {
		for i := range edits {
			if err := NewFile(path).Set(t.Context(), "p"+strconv.Itoa(os.Getpid())+"."+strconv.Itoa(i), "username", "u"); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	failed := make(chan error, processes)
	for range processes {
		go func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$")
			cmd.Env = append(os.Environ(), editor+"="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = errors.New(string(out))
			}
			failed <- err
		}()
	}
	for range processes {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	profiles, err := NewFile(path).Profiles()
	if err != nil || len(profiles) != processes*edits {
		t.Errorf("%d profiles, %v; want %d", len(profiles), err, processes*edits)
	}
}
