package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// AddAllProfiles adds --all-profiles to a command that calls PrintEach or Profiles. does
// is its description without the object, such as "do this for".
func (a *App) AddAllProfiles(f *pflag.FlagSet, does string) {
	f.BoolVar(&a.allProfiles, "all-profiles", false, does+" every profile in the config file, in parallel")
}

// together is what the apps of several profiles share.
type together struct {
	mu     sync.Mutex
	err    io.Writer
	stores map[bool]*secret.Store // by NoKeyring
}

// write writes lines to stderr, each with a prefix.
func (t *together) write(prefix string, text []byte) error {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		out.WriteString(prefix)
		out.Write(line)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.err.Write(out.Bytes())
	return err
}

// store returns the store of secrets for the settings of a profile.
func (t *together) store(set *config.Settings, open func() *secret.Store) *secret.Store {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stores[set.NoKeyring] == nil {
		t.stores[set.NoKeyring] = open()
	}
	return t.stores[set.NoKeyring]
}

// prefixed is stderr for the messages about one profile.
type prefixed struct {
	*together
	prefix string
}

// Write writes whole lines.
func (p prefixed) Write(text []byte) (int, error) { return len(text), p.write(p.prefix, text) }

// ForProfile returns an app that works with one of several profiles. Its server and token
// come only from that profile, it does not prompt, and its messages name the profile. Apps
// for different profiles may be used at the same time.
func (a *App) ForProfile(name string) *App {
	b := a.forOne(name)
	b.only, b.cached = true, nil
	return b
}

// ForCurrent is like ForProfile for the profile, server and token that a itself uses.
func (a *App) ForCurrent() (*App, error) {
	set, err := a.Settings()
	if err != nil {
		return nil, err
	}
	return a.forOne(set.Profile), nil
}

func (a *App) forOne(profile string) *App {
	if a.together == nil {
		a.together = &together{err: a.Err, stores: map[bool]*secret.Store{}}
	}
	b := *a
	b.profile, b.saidIgnored = profile, false
	b.In, b.Err = strings.NewReader(""), prefixed{a.together, output.Safe(profile) + ": "}
	return &b
}

// Profile returns the name of the profile, if the app is one of several.
func (a *App) Profile() string { return a.profile }

// Profiles returns the app itself or, with --all-profiles, one app for each profile of the
// config file, in the order of their names.
func (a *App) Profiles() ([]*App, error) {
	if !a.allProfiles {
		return []*App{a}, nil
	}
	if err := a.CheckSelection("--all-profiles"); err != nil {
		return nil, err
	}
	names, err := a.ProfileNames()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, Hinted(Usagef("--all-profiles: the config file has no profiles"),
			"create one with `mender-webhooks login --profile NAME` or `mender-webhooks config set`; `mender-webhooks config path` shows the file")
	}
	apps := make([]*App, len(names))
	for i, name := range names {
		apps[i] = a.ForProfile(name)
	}
	return apps, nil
}

// AllProfiles reports whether --all-profiles is set.
func (a *App) AllProfiles() bool { return a.allProfiles }

// ProfileNames returns the sorted names of the profiles in the config file.
func (a *App) ProfileNames() ([]string, error) {
	path, err := config.ConfigFile(config.Input{Flags: a.SettingFlags, LookupEnv: a.Env})
	if err != nil {
		return nil, err
	}
	profiles, err := config.NewFile(path).Profiles()
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.Name
	}
	slices.Sort(names)
	return names, err
}

// CheckSelection returns a usage error if a flag or variable names one server, token or
// profile, although what, such as a flag, selects several. MENDER_PROFILE is no such
// variable: it only names the default.
func (a *App) CheckSelection(what string) error {
	for _, flag := range []string{"profile", "server", "token", "token-value"} {
		if a.SettingFlags.Changed(flag) {
			return Hinted(Usagef("%s cannot be combined with --%s", what, flag), "leave out --%s: each profile has its own server and token", flag)
		}
	}
	for _, name := range []string{config.EnvServer, config.EnvToken} {
		if a.Getenv(name) != "" {
			return Hinted(Usagef("%s cannot be combined with the variable %s", what, name),
				"unset %s: each profile has its own server and token", name)
		}
	}
	return nil
}
