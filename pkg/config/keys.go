package config

import (
	"errors"
	"strconv"
	"time"
)

// defaultServer is hosted Mender in the US, which is also mender-cli's default.
const defaultServer = "https://hosted.mender.io"

// defaultProfile is the name of the profile to use if none is selected. It need not be
// in the config file.
const defaultProfile = "default"

// defaultRequestTimeout is the limit for one API request.
const defaultRequestTimeout = 30 * time.Second

// The environment variables that this package reads, in addition to XDG_CONFIG_HOME,
// XDG_CACHE_HOME, XDG_DATA_HOME, HOME and their equivalents. Mender's CI templates use
// the first two.
const (
	EnvServer        = "MENDER_SERVER_URL"
	EnvToken         = "MENDER_SERVER_ACCESS_TOKEN"
	EnvProfile       = "MENDER_PROFILE"
	EnvConfig        = "MENDER_WEBHOOKS_CONFIG"
	EnvCACert        = "MENDER_CA_CERT"
	EnvWebhookSecret = "MENDER_WEBHOOK_SECRET"
)

// The names of the settings in a profile.
const (
	keyServer    = "server"
	keyUsername  = "username"
	keyOrg       = "organization"
	keyToken     = "token"
	keyTokenFile = "token-file"
	keyCACert    = "ca-cert"
	keySkip      = "skip-verify"
	keyAllowHTTP = "allow-http"
	keyTimeout   = "request-timeout"
	keyNoKeyring = "no-keyring"
)

// Key describes a setting.
type Key struct {
	// Name is the name in a profile.
	Name string
	// Flag and Env are the names of the flag, without dashes, and of the
	// environment variable; empty if there is none.
	Flag, Env string
	// Default is the default value as text, or empty.
	Default string
	// Doc is the description in help, in lower case and without a full stop. The
	// word in backquotes is the name of the value.
	Doc string
	// InProfile reports whether a profile can have the setting.
	InProfile bool
	// Secret is set if the value must never be shown.
	Secret bool

	// check returns the normalized value, or an error that does not contain the
	// value of a Secret.
	check func(text string) (string, error)
}

// Keys returns all settings, in the order in which help and `config list` show them.
func Keys() []Key {
	return []Key{
		{Name: keyServer, Flag: "server", Env: EnvServer, Default: defaultServer, InProfile: true,
			Doc: "`URL` of the Mender server; https unless it has a scheme", check: NormalizeServer},
		{Name: keyUsername, InProfile: true, Doc: "email address that login suggests", check: checkLine},
		{Name: keyOrg, InProfile: true, Doc: "id of the organization, to find its secrets without a token", check: checkLine},
		{Name: keyToken, Flag: "token-value", Env: EnvToken, InProfile: true, Secret: true,
			Doc: "access token, a `JWT`; other users see it in the process list", check: checkToken},
		{Name: keyTokenFile, Flag: "token", InProfile: true,
			Doc: "`FILE` with the access token; - for stdin", check: checkLine},
		{Name: "profile", Flag: "profile", Env: EnvProfile, Default: defaultProfile,
			Doc: "`NAME` of the profile; takes precedence over server and token in the environment", check: checkLine},
		{Name: "config", Flag: "config", Env: EnvConfig, Doc: "config `FILE`", check: checkLine},
		{Name: keyCACert, Flag: "ca-cert", Env: EnvCACert, InProfile: true,
			Doc: "PEM `FILE` with additional certificate authorities to trust", check: checkLine},
		{Name: keySkip, Flag: "skip-verify", Default: "false", InProfile: true,
			Doc: "do not verify Mender's certificate", check: checkBool},
		{Name: keyTimeout, Flag: "request-timeout", Default: defaultRequestTimeout.String(), InProfile: true,
			Doc: "`DURATION` limit for one API request, such as 30s", check: checkTimeout},
		{Name: keyAllowHTTP, Flag: "allow-http", Default: "false", InProfile: true,
			Doc: "allow sending the token to another machine over plain http", check: checkBool},
		{Name: keyNoKeyring, Flag: "no-keyring", Default: "false", InProfile: true,
			Doc: "store tokens and secrets in a file instead of the keyring", check: checkBool},
	}
}

// ProfileKeys returns the names of the settings that a profile can have.
func ProfileKeys() []string {
	var names []string
	for _, k := range Keys() {
		if k.InProfile {
			names = append(names, k.Name)
		}
	}
	return names
}

// profileKey returns the setting with a name, if a profile can have it.
func profileKey(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.InProfile && k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

func checkBool(text string) (string, error) {
	if text != "true" && text != "false" {
		return "", errors.New("must be true or false")
	}
	return text, nil
}

func checkTimeout(text string) (string, error) {
	if _, err := strconv.Atoi(text); err == nil {
		return "", errors.New("must have a unit, as in 30s or 2m")
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return "", errors.New("must be a duration such as 30s or 2m")
	case d <= 0:
		return "", errors.New("must be positive")
	}
	return d.String(), nil
}

func checkLine(text string) (string, error) {
	if text == "" {
		return "", errors.New("must not be empty")
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return "", errors.New("must not contain a control character, such as a line break")
		}
	}
	return text, nil
}
