package config

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Input contains the sources that Load reads. All fields are optional.
type Input struct {
	// Flags are the parsed flags of RegisterFlags.
	Flags *pflag.FlagSet
	// LookupEnv returns environment variables, like os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Stdin is read only for --token - and --secret-file -.
	Stdin io.Reader
	// StoredToken returns the token that login stored for a server and a profile,
	// or "". It is called only if no flag or variable has a token.
	StoredToken func(Account) (string, error)
	// NoToken skips the token, for commands that send nothing to Mender.
	NoToken bool
	// NewProfile allows a profile and a config file that do not exist yet, for login.
	NewProfile bool
	// OnlyProfile, if set, selects a profile for a command that works with several at
	// once. The server and the token come from this profile, and from no flag,
	// variable or file of mender-cli: those name one server, and their token must not
	// reach the others.
	OnlyProfile string
	// SystemDir and WorkDir are the folders of mender-cli's settings, in addition
	// to the home folder; empty means /etc/mender-cli and ".".
	SystemDir, WorkDir string
}

// Load resolves the settings. An invalid flag, variable or file is a usage error. Load
// wraps errors of Input.StoredToken.
func Load(in Input) (*Settings, error) {
	l := loader{in: in, env: in.LookupEnv}
	if err := l.read(); err != nil {
		return nil, err
	}
	s, err := l.merge()
	if err != nil {
		return nil, err
	}
	if l.cli.note != "" {
		s.Notes = append(s.Notes, l.cli.note)
	}
	if !in.NoToken {
		if s.Token, err = l.token(s); err != nil {
			return nil, err
		}
	}
	s.values = l.values(s)
	return s, nil
}

// loader is the state of Load.
type loader struct {
	in           Input
	env          environment
	doc          *document
	profile      string
	profileFlag  bool // whether --profile was given
	cli          menderCLI
	layers       []layer // in ascending precedence
	profileFrom  string
	profileKind  Source
	configFrom   string
	configSource Source
}

// read reads all sources except for the token.
func (l *loader) read() error {
	file, err := l.configFile()
	if err != nil {
		return err
	}
	if l.doc, err = readDocument(file); err != nil {
		return err
	}
	if err := l.chooseProfile(); err != nil {
		return err
	}
	if l.in.OnlyProfile == "" {
		l.cli = readMenderCLI(l.env, orElse(l.in.SystemDir, "/etc/mender-cli"), orElse(l.in.WorkDir, "."))
	}
	flags, err := l.flagLayer()
	if err != nil {
		return err
	}
	env, err := l.envLayer(flags)
	if err != nil {
		return err
	}
	l.layers = []layer{l.defaultLayer(), l.cliLayer(), l.profileLayer(), env, flags}
	return nil
}

// configFile returns the path of the config file, or "" if there is no folder for it.
func (l *loader) configFile() (string, error) {
	file, given, err := flagValue(l.in.Flags, "config")
	if err != nil {
		return "", err
	}
	l.configSource, l.configFrom = SourceFlag, "--config"
	if !given {
		if file, given, err = l.env.setting(EnvConfig); err != nil {
			return "", err
		}
		l.configSource, l.configFrom = SourceEnvironment, EnvConfig
	}
	if given {
		if !l.in.NewProfile && !exists(file) {
			return "", usagef("", "config file %s not found (from %s)", file, l.configFrom)
		}
		return file, nil
	}
	l.configSource, l.configFrom = SourceDefault, ""
	return ConfigFile(l.in)
}

func (l *loader) chooseProfile() error {
	if name := l.in.OnlyProfile; name != "" {
		l.profile, l.profileFlag, l.profileKind, l.profileFrom = name, true, SourceProfile, l.doc.path
		return l.doc.known(name)
	}
	name, given, err := flagValue(l.in.Flags, "profile")
	if err != nil {
		return err
	}
	l.profile, l.profileFlag, l.profileKind, l.profileFrom = name, given, SourceFlag, "--profile"
	if !given {
		if name, given, err = l.env.setting(EnvProfile); err != nil {
			return err
		}
		l.profile, l.profileKind, l.profileFrom = name, SourceEnvironment, EnvProfile
	}
	if !given && l.doc.current != "" {
		l.profile, l.profileKind, l.profileFrom, given = l.doc.current, SourceProfile, l.doc.path, true
	}
	if !given {
		l.profile, l.profileKind, l.profileFrom = defaultProfile, SourceDefault, ""
		return nil
	}
	if !l.doc.has(l.profile) && !l.in.NewProfile && l.profile != defaultProfile {
		return usagef(l.profilesHint(), "unknown profile %q (from %s)%s",
			l.profile, l.profileFrom, didYouMean(l.profile, l.doc.names))
	}
	return nil
}

func (l *loader) profilesHint() string {
	if len(l.doc.names) == 0 {
		return "create one with `mender-webhooks login --profile NAME` or `mender-webhooks config set`"
	}
	return "use one of " + strings.Join(l.doc.names, ", ")
}

// merge merges the layers. viper converts their texts to the types of the struct, and
// fails on a value that has no field.
func (l *loader) merge() (*Settings, error) {
	v := viper.New()
	for _, layer := range l.layers {
		values := make(map[string]any, len(layer.values))
		for key, text := range layer.values {
			values[key] = text
		}
		if err := v.MergeConfigMap(values); err != nil {
			return nil, fmt.Errorf("merge settings: %w", err)
		}
	}
	var merged struct {
		Server     string        `mapstructure:"server"`
		Username   string        `mapstructure:"username"`
		Org        string        `mapstructure:"organization"`
		CACert     string        `mapstructure:"ca-cert"`
		SkipVerify bool          `mapstructure:"skip-verify"`
		AllowHTTP  bool          `mapstructure:"allow-http"`
		NoKeyring  bool          `mapstructure:"no-keyring"`
		Timeout    time.Duration `mapstructure:"request-timeout"`
	}
	if err := v.UnmarshalExact(&merged); err != nil {
		return nil, fmt.Errorf("merge settings: %w", err)
	}
	return &Settings{
		Account:    Account{Server: merged.Server, Organization: merged.Org, OrganizationKnown: merged.Org != "", Profile: l.profile},
		Username:   merged.Username,
		ConfigFile: l.doc.path, SecretsFile: l.env.secretsFile(),
		CACertFile: merged.CACert, SkipVerify: merged.SkipVerify, AllowHTTP: merged.AllowHTTP,
		NoKeyring: merged.NoKeyring, RequestTimeout: merged.Timeout,
	}, nil
}

// from returns the layer with the highest precedence that has a setting.
func (l *loader) from(key string) (Value, bool) {
	for i := len(l.layers) - 1; i >= 0; i-- {
		if text, ok := l.layers[i].values[key]; ok {
			return Value{Key: key, Text: text, Source: l.layers[i].source, From: l.layers[i].from[key]}, true
		}
	}
	return Value{}, false
}

func (l *loader) values(s *Settings) []Value {
	var out []Value
	for _, k := range Keys() {
		switch k.Name {
		case keyToken:
			if s.Token.Value != "" {
				out = append(out, Value{Key: k.Name, Text: hidden, Source: s.Token.Source, From: s.Token.From})
			}
		case keyTokenFile: // shown as the token's From
		case "profile":
			out = append(out, Value{Key: k.Name, Text: l.profile, Source: l.profileKind, From: l.profileFrom})
		case "config":
			if s.ConfigFile != "" {
				out = append(out, Value{Key: k.Name, Text: s.ConfigFile, Source: l.configSource, From: l.configFrom})
			}
		default:
			if v, ok := l.from(k.Name); ok {
				out = append(out, v)
			}
		}
	}
	return out
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
