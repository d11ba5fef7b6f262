package config

import (
	"errors"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"strings"
	"testing"
)

// TestToken checks which of several tokens is used.
func TestToken(t *testing.T) {
	const (
		profile = "profile: a\nprofiles:\n  a: {server: a.example, token: from-profile}\n  b: {server: b.example}\n" +
			"  any: {token: from-any}\n  f: {token-file: sub/token}\n"
		here = "https://a.example"
	)
	type env = map[string]string
	for name, test := range map[string]struct {
		args   []string
		env    env
		stored env
		want   string
		source Source
	}{
		"flag":                      {args: []string{"--token-value", "from-flag"}, env: env{EnvToken: "from-env"}, want: "from-flag", source: SourceFlag},
		"flag, empty env":           {args: []string{"--token-value", "from-flag"}, env: env{EnvToken: ""}, want: "from-flag", source: SourceFlag},
		"flag, stdin":               {args: []string{"--token", "-"}, want: "from-stdin", source: SourceFlag},
		"flag, file":                {args: []string{"--token", "HOME/token"}, want: "from-file", source: SourceFlag},
		"environment":               {env: env{EnvToken: " from-env\n"}, want: "from-env", source: SourceEnvironment},
		"environment, other server": {args: []string{"--server", "c.example"}, env: env{EnvToken: "from-env", EnvServer: "a.example"}, want: "from-env", source: SourceEnvironment},
		"profile":                   {stored: env{here + " a": "from-store"}, want: "from-profile", source: SourceProfile},
		"profile, its server again": {args: []string{"--server", "https://A.example/"}, want: "from-profile", source: SourceProfile},
		"profile, other server":     {args: []string{"--server", "c.example"}, source: SourceNone},
		"profile, server of env":    {env: env{EnvServer: "c.example"}, source: SourceNone},
		"profile without server":    {args: []string{"--profile", "any", "--server", "c.example"}, want: "from-any", source: SourceProfile},
		"profile's token file":      {args: []string{"--profile", "f"}, want: "from-sub", source: SourceProfile},
		"--profile before env":      {args: []string{"--profile", "a"}, env: env{EnvToken: "from-env"}, want: "from-profile", source: SourceProfile},
		"--profile, stored":         {args: []string{"--profile", "b"}, env: env{EnvToken: "from-env"}, stored: env{"https://b.example b": "from-store"}, want: "from-store", source: SourceStored},
		"--profile, env's token":    {args: []string{"--profile", "b"}, env: env{EnvToken: "from-env"}, want: "from-env", source: SourceEnvironment},
		"--profile, env for it":     {args: []string{"--profile", "b"}, env: env{EnvToken: "from-env", EnvServer: "b.example"}, want: "from-env", source: SourceEnvironment},
		"--profile, env for other":  {args: []string{"--profile", "b"}, env: env{EnvToken: "from-env", EnvServer: "c.example"}, source: SourceNone},
		"MENDER_PROFILE, env":       {env: env{EnvProfile: "b", EnvToken: "from-env"}, stored: env{"https://b.example b": "from-store"}, want: "from-env", source: SourceEnvironment},
		"stored for other profile":  {args: []string{"--profile", "b"}, stored: env{"https://b.example a": "from-store"}, source: SourceNone},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.config(profile)
			m.file("config/mender-webhooks/sub/token", "from-sub\n", 0o600)
			m.file("token", "from-file\n", 0o644)
			m.stdin, m.stored = "from-stdin\n", test.stored
			for _, arg := range test.args {
				m.args = append(m.args, strings.ReplaceAll(arg, "HOME", m.home))
			}
			for k, v := range test.env {
				m.env[k] = v
			}
			s, err := m.load()
			if err != nil {
				t.Fatal(err)
			}
			if s.Token.Value != test.want || s.Token.Source != test.source {
				t.Errorf("got %q from %s, want %q from %s", s.Token.Value, s.Token.Source, test.want, test.source)
			}
		})
	}
}

// TestOnlyProfile checks that nothing outside a profile selects its server or its token.
func TestOnlyProfile(t *testing.T) {
	m := newMachine(t)
	m.config("profile: a\nprofiles:\n  a: {server: a.example, token: from-profile}\n  b: {server: b.example}\n" +
		"  any: {token: from-any}\n  bare: {username: u}\n")
	m.file(".mender-clirc", `{"server": "https://b.example"}`, 0o600)
	m.file("cache/mender/authtoken", "from-mender-cli", 0o600)
	m.args = []string{"--server", "c.example", "--token-value", "from-flag", "--profile", "a"}
	m.env[EnvServer], m.env[EnvToken], m.env[EnvProfile] = "d.example", "from-env", "a"
	m.stored = map[string]string{"https://b.example b": "from-store", "https://b.example bare": "from-store"}
	for name, want := range map[string][2]string{
		"a":    {"https://a.example", "from-profile"},
		"b":    {"https://b.example", "from-store"},
		"bare": {defaultServer, ""},
	} {
		in := m.input()
		in.OnlyProfile = name
		s, err := Load(in)
		if err != nil {
			t.Fatal(err)
		}
		if s.Server != want[0] || s.Token.Value != want[1] || s.Profile != name {
			t.Errorf("profile %s: got server %s, token %q", name, s.Server, s.Token.Value)
		}
	}
	for name, want := range map[string]string{"any": "has a token, but no server", "c": `unknown profile "c"`} {
		in := m.input()
		in.OnlyProfile = name
		if _, err := Load(in); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("profile %s: got %v", name, err)
		}
	}
	m.stored = nil
	in := m.input()
	in.OnlyProfile = "b"
	if s, err := Load(in); err != nil || s.Token.Value != "" {
		t.Errorf("got %v, %v: mender-cli's token is not the profile's", s, err)
	}
}

func TestNoTokenIsLookedForWhereNoneIsNeeded(t *testing.T) {
	m := newMachine(t)
	m.env[EnvToken] = ""
	in := m.input()
	in.NoToken = true
	in.StoredToken = func(Account) (string, error) { t.Error("the store was asked"); return "", nil }
	if _, err := Load(in); err != nil {
		t.Error(err)
	}
}

func TestStoreFails(t *testing.T) {
	in, cause := newMachine(t).input(), errors.New("the keyring is locked")
	in.StoredToken = func(Account) (string, error) { return "", cause }
	_, err := Load(in)
	if !errors.Is(err, cause) || fault.KindOf(err) == fault.Usage {
		t.Errorf("got %v, want the store's error and no usage error", err)
	}
}

// TestMenderCLI checks that mender-cli's session is used only for its own server.
func TestMenderCLI(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string // in addition to the token
		token string
		args  []string
		cache string // XDG_CACHE_HOME below the home folder
		want  string
		note  string
	}{
		"its default server":   {want: "from-cli"},
		"its own server":       {files: map[string]string{".mender-clirc": `{"server":"https://c.example/","username":"u"}`}, want: "from-cli"},
		"capital letters":      {files: map[string]string{".mender-clirc": `{"Server":"https://c.example"}`}, want: "from-cli"},
		"/etc goes first":      {files: map[string]string{"etc/.mender-clirc": `{"server":"c.example"}`, ".mender-clirc": `{"server":"d.example"}`}, args: []string{"--server", "d.example"}},
		"other server":         {args: []string{"--server", "c.example"}},
		"other, named by it":   {files: map[string]string{".mender-clirc": `{"server":"c.example"}`}, args: []string{"--server", "d.example"}},
		"working directory":    {files: map[string]string{"work/.mender-clirc": `{"server":"c.example"}`}, note: "mender-cli's token is not used, because"},
		"home and working dir": {files: map[string]string{".mender-clirc": `{}`, "work/.mender-clirc": `{"server":"c.example"}`}, want: "from-cli"},
		"XDG_CACHE_HOME":       {cache: "elsewhere", want: ""},
		"no JSON":              {files: map[string]string{".mender-clirc": `server: x`}, note: "is not used: not valid JSON"},
		"bad server":           {files: map[string]string{".mender-clirc": `{"server":"ftp://x"}`}, note: "must begin with https"},
		"empty token":          {token: "\n", note: "is not used: must not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			delete(m.env, "XDG_CACHE_HOME")
			if test.cache != "" {
				m.env["XDG_CACHE_HOME"] = m.home + "/" + test.cache
			}
			m.file(".cache/mender/authtoken", orElse(test.token, "from-cli\n"), 0o600)
			for file, text := range test.files {
				m.file(file, text, 0o600)
			}
			m.args = test.args
			s, err := m.load()
			if err != nil {
				t.Fatal(err)
			}
			if s.Token.Value != test.want {
				t.Errorf("token %q for %s, want %q", s.Token.Value, s.Server, test.want)
			}
			if notes := strings.Join(s.Notes, "\n"); (notes == "") != (test.note == "") || !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}
