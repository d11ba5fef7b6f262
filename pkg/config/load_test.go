package config

import (
	"fmt"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// jwt has the format of a token. Its claims do not matter here.
const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl"

// machine is a home folder with files, and a user's flags and variables.
type machine struct {
	t       *testing.T
	home    string
	args    []string
	env     map[string]string
	stdin   string
	stored  map[string]string // by server and profile, separated by a space
	newName bool
}

func newMachine(t *testing.T) *machine {
	home := t.TempDir()
	return &machine{t: t, home: home, env: map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_CACHE_HOME": filepath.Join(home, "cache"),
		"USERPROFILE": home, "AppData": home,
	}}
}

func (m *machine) file(name, text string, mode os.FileMode) string {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
	return path
}

func (m *machine) config(text string) string {
	return m.file("config/mender-webhooks/config.yaml", text, 0o600)
}

func (m *machine) input() Input {
	m.t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	RegisterFlags(flags)
	if err := flags.Parse(m.args); err != nil {
		m.t.Fatal(err)
	}
	return Input{
		Flags: flags, NewProfile: m.newName, Stdin: strings.NewReader(m.stdin),
		LookupEnv: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok },
		StoredToken: func(account Account) (string, error) {
			return m.stored[account.Server+" "+account.Profile], nil
		},
		SystemDir: filepath.Join(m.home, "etc"), WorkDir: filepath.Join(m.home, "work"),
	}
}

func (m *machine) load() (*Settings, error) { m.t.Helper(); return Load(m.input()) }

const twoProfiles = `profile: prod
profiles:
  prod:
    server: https://prod.example
    username: prod@example.com
    skip-verify: true
  Lab.2:
    server: lab.example:8443
    ca-cert: ca.pem
    request-timeout: 5s
  bare: {}
`

// TestServer checks the order of precedence of the sources of a server.
func TestServer(t *testing.T) {
	type want struct {
		server string
		source Source
		from   string
	}
	for name, test := range map[string]struct {
		args   []string
		env    map[string]string
		config string
		rc     string
		want   want
	}{
		"nothing":           {want: want{defaultServer, SourceDefault, ""}},
		"mender-cli":        {rc: `{"server": "https://cli.example/"}`, want: want{"https://cli.example", SourceMenderCLI, "HOME/.mender-clirc"}},
		"profile":           {rc: `{"server": "https://cli.example"}`, config: twoProfiles, want: want{"https://prod.example", SourceProfile, "profile prod, HOME/config/mender-webhooks/config.yaml:4"}},
		"profile by name":   {config: twoProfiles, env: map[string]string{EnvProfile: "Lab.2"}, want: want{"https://lab.example:8443", SourceProfile, "profile Lab.2, HOME/config/mender-webhooks/config.yaml:8"}},
		"environment":       {config: twoProfiles, env: map[string]string{EnvServer: "env.example/"}, want: want{"https://env.example", SourceEnvironment, EnvServer}},
		"MENDER_PROFILE":    {config: twoProfiles, env: map[string]string{EnvServer: "env.example", EnvProfile: "Lab.2"}, want: want{"https://env.example", SourceEnvironment, EnvServer}},
		"--profile":         {config: twoProfiles, env: map[string]string{EnvServer: "env.example"}, args: []string{"--profile", "prod"}, want: want{"https://prod.example", SourceProfile, "profile prod, HOME/config/mender-webhooks/config.yaml:4"}},
		"--profile, bare":   {config: twoProfiles, env: map[string]string{EnvServer: "env.example"}, args: []string{"--profile", "bare"}, want: want{"https://env.example", SourceEnvironment, EnvServer}},
		"flag":              {config: twoProfiles, env: map[string]string{EnvServer: "env.example"}, args: []string{"--server", "flag.example", "--profile", "prod"}, want: want{"https://flag.example", SourceFlag, "--server"}},
		"flag, empty env":   {env: map[string]string{EnvServer: ""}, args: []string{"--server", "flag.example"}, want: want{"https://flag.example", SourceFlag, "--server"}},
		"--profile, no env": {config: twoProfiles, env: map[string]string{EnvServer: ""}, args: []string{"--profile", "prod"}, want: want{"https://prod.example", SourceProfile, "profile prod, HOME/config/mender-webhooks/config.yaml:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.args = test.args
			for k, v := range test.env {
				m.env[k] = v
			}
			if test.config != "" {
				m.config(test.config)
			}
			if test.rc != "" {
				m.file(".mender-clirc", test.rc, 0o600)
			}
			s, err := m.load()
			if err != nil {
				t.Fatal(err)
			}
			got := valueOf(s, "server")
			got.From = strings.ReplaceAll(got.From, m.home, "HOME")
			if diff := cmp.Diff(Value{"server", test.want.server, test.want.source, test.want.from}, got); diff != "" {
				t.Error(diff)
			}
			if s.Server != test.want.server {
				t.Errorf("server %s, want %s", s.Server, test.want.server)
			}
		})
	}
}

func valueOf(s *Settings, key string) Value {
	for _, v := range s.Values() {
		if v.Key == key {
			return v
		}
	}
	return Value{}
}

func TestSettingsOfAProfile(t *testing.T) {
	m := newMachine(t)
	file := m.config(twoProfiles)
	m.args = []string{"--profile", "Lab.2"}
	s, err := m.load()
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Account:     Account{Server: "https://lab.example:8443", Profile: "Lab.2", Token: Token{Source: SourceNone}},
		ConfigFile:  file,
		SecretsFile: filepath.Join(filepath.Dir(file), "secrets.json"),
		CACertFile:  filepath.Join(filepath.Dir(file), "ca.pem"), RequestTimeout: 5 * time.Second,
	}
	s.values = nil
	if diff := cmp.Diff(want, *s, cmp.AllowUnexported(Settings{})); diff != "" {
		t.Error(diff)
	}
	m.args = append(m.args, "--request-timeout=1m", "-k", "--ca-cert", "other.pem", "--allow-http", "--no-keyring")
	if s, err = m.load(); err != nil {
		t.Fatal(err)
	}
	if s.RequestTimeout != time.Minute || !s.SkipVerify || !s.AllowHTTP || !s.NoKeyring || s.CACertFile != "other.pem" {
		t.Errorf("flags do not win: %+v", s)
	}
	m.args = []string{"--skip-verify=false"}
	if s, err = m.load(); err != nil || s.SkipVerify || s.RequestTimeout != defaultRequestTimeout {
		t.Errorf("--skip-verify=false does not win over the profile: %+v, %v", s, err)
	}
}

func TestBadInput(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		env    map[string]string
		config string
		mode   os.FileMode
		want   string // in the error or its hint
	}{
		"empty token":          {env: map[string]string{EnvToken: ""}, want: "MENDER_SERVER_ACCESS_TOKEN is set but empty"},
		"blank token":          {env: map[string]string{EnvToken: " \n"}, want: "MENDER_SERVER_ACCESS_TOKEN is set but empty"},
		"empty server":         {env: map[string]string{EnvServer: ""}, want: "MENDER_SERVER_URL is set but empty"},
		"empty profile":        {env: map[string]string{EnvProfile: ""}, want: "MENDER_PROFILE is set but empty"},
		"empty config":         {env: map[string]string{EnvConfig: ""}, want: "MENDER_WEBHOOKS_CONFIG is set but empty"},
		"blank authority":      {env: map[string]string{EnvCACert: " "}, want: "MENDER_CA_CERT is set but empty"},
		"empty server flag":    {args: []string{"--server", ""}, want: "--server is empty"},
		"empty profile flag":   {args: []string{"--profile="}, want: "--profile is empty"},
		"token of two lines":   {env: map[string]string{EnvToken: "a\nb"}, want: "must be a single word"},
		"server's scheme":      {args: []string{"--server", "ftp://x"}, want: "invalid --server: the URL must begin with https://"},
		"server's password":    {env: map[string]string{EnvServer: "https://u:hunter2@x"}, want: "invalid MENDER_SERVER_URL: the URL contains a user name"},
		"token as server":      {args: []string{"--server", jwt}, want: "looks like a token"},
		"JWT as file":          {args: []string{"--token", jwt}, want: "invalid --token: must be the name of a file"},
		"Bearer JWT as file":   {args: []string{"--token", "Bearer " + jwt}, want: "invalid --token: must be the name of a file"},
		"token file missing":   {args: []string{"--token", "/nowhere/token"}, want: "/nowhere/token"},
		"both tokens":          {args: []string{"--token", "x", "--token-value", jwt}, want: "cannot be combined with --token-value"},
		"empty stdin":          {args: []string{"--token", "-"}, want: "invalid token in stdin"},
		"timeout 0":            {args: []string{"--request-timeout", "0"}, want: "must be positive"},
		"no such profile":      {args: []string{"--profile", "prd"}, config: twoProfiles, want: `unknown profile "prd" (from --profile); did you mean "prod"?`},
		"other case":           {env: map[string]string{EnvProfile: "lab.2"}, config: twoProfiles, want: `did you mean "Lab.2"?`},
		"current is missing":   {config: "profile: prod\n", want: `unknown profile "prod" (from HOME`},
		"config file missing":  {args: []string{"--config", "/nowhere.yaml"}, want: "/nowhere.yaml"},
		"misspelt key":         {config: "profiles:\n  prod:\n    server: x\n    skip_verify: true\n", want: `config.yaml:4:5: unknown setting "skip_verify"; did you mean "skip-verify"?`},
		"misspelt at the top":  {config: "profil: x\n", want: `config.yaml:1:1: unknown setting "profil"; did you mean "profile"?`},
		"setting at the top":   {config: "server: x\n", want: `config.yaml:1:1: the setting "server" must be in a profile`},
		"strange key":          {config: "profiles: {a: {zzzzzz: 1}}\n", want: `unknown setting "zzzzzz"`},
		"wrong bool":           {config: "profiles:\n  a:\n    skip-verify: yes\n", want: "config.yaml:3:18: invalid skip-verify: must be true or false"},
		"no unit":              {config: "profiles:\n  a:\n    request-timeout: 30\n", want: "must have a unit"},
		"list for a value":     {config: "profiles:\n  a:\n    server: [x]\n", want: "server must be a single value"},
		"list of profiles":     {config: "profiles:\n  - a\n", want: "profiles must be a mapping, such as name: value"},
		"no value":             {config: "profiles:\n  a:\n    server:\n", want: "server has no value"},
		"no YAML":              {config: "profiles:\n  a: [" + jwt + "\n", want: "config.yaml:2:"},
		"twice":                {config: "profiles:\n  a: {}\n  a: {}\n", want: "config.yaml:3:3"},
		"readable token":       {config: "profiles:\n  a:\n    token: " + jwt + "\n", mode: 0o644, want: "chmod 600 HOME/config/mender-webhooks/config.yaml"},
		"bad token in profile": {config: "profiles:\n  a:\n    token: \"hunter2 " + jwt + "\"\n", want: "must be a single word"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.args = test.args
			for k, v := range test.env {
				m.env[k] = v
			}
			if test.config != "" {
				file := m.config(test.config)
				if err := os.Chmod(file, max(test.mode, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := m.load()
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("got %v, want a usage error", err)
			}
			text := strings.ReplaceAll(err.Error()+"\n"+fault.HintOf(err), m.home, "HOME")
			if !strings.Contains(text, test.want) {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			for _, secret := range []string{jwt, "hunter2"} {
				if strings.Contains(text, secret) {
					t.Errorf("the error shows a secret: %s", text)
				}
			}
		})
	}
}

func TestNewProfileNeedNotExist(t *testing.T) {
	m := newMachine(t)
	m.args, m.newName = []string{"--profile", "new", "--config", filepath.Join(m.home, "new.yaml")}, true
	s, err := m.load()
	if err != nil || s.Profile != "new" || s.Server != defaultServer {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestNormalizeServer(t *testing.T) {
	for text, want := range map[string]string{
		"hosted.mender.io":               "https://hosted.mender.io",
		" https://Hosted.Mender.io:443/": "https://hosted.mender.io",
		"http://127.0.0.1:8080":          "http://127.0.0.1:8080",
		"HTTP://x:80//":                  "http://x",
		"localhost:8080":                 "https://localhost:8080",
		"[::1]:443":                      "https://[::1]",
		"https://x/mender/":              "https://x/mender",
		"":                               "", "https://": "", "http://x?a": "", "x#y": "", "https://x:99y": "",
		"/a": "", "https://a b": "", "://x": "",
	} {
		got, err := NormalizeServer(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestNothingPrintsAToken(t *testing.T) {
	m := newMachine(t)
	m.args = []string{"--token-value", jwt}
	s, err := m.load()
	if err != nil || s.Token.Value != jwt {
		t.Fatal(s, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, *s); strings.Contains(text, jwt) {
			t.Errorf("%s shows the token: %s", verb, text)
		}
	}
	if text := fmt.Sprint(s.Values()); strings.Contains(text, jwt) {
		t.Errorf("the values show the token: %s", text)
	}
}
