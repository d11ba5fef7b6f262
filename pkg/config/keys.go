package config

import (
	"errors"
	"strconv"
	"time"
)

// DefaultServer is hosted Mender in the US, which mender-cli defaults to too.
const DefaultServer = "https://hosted.mender.io"

// DefaultProfile is the profile used where nothing names another. It need not
// stand in the config file.
const DefaultProfile = "default"

// DefaultRequestTimeout is the limit for one API request.
const DefaultRequestTimeout = 30 * time.Second

// The environment variables this package reads, beside XDG_CONFIG_HOME,
// XDG_CACHE_HOME, XDG_DATA_HOME, HOME and the system's counterparts. The
// first two are what Mender's own CI templates use.
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

// Key describes one setting, wherever it can be given.
type Key struct {
	// Name is the setting's name in a profile.
	Name string
	// Flag and Env are the flag's name, without dashes, and the environment
	// variable's; empty where there is none.
	Flag, Env string
	// Default is the text of the default, or empty.
	Default string
	// Doc is one line about it, in lower case and without a full stop, as in
	// a flag's help; pflag takes the word in backquotes for the value.
	Doc string
	// InProfile says that a profile can hold it.
	InProfile bool
	// Secret says that its value is never shown.
	Secret bool

	// check makes sure of a value and returns it in its plain form. It never
	// quotes the text of a Secret.
	check func(text string) (string, error)
}

// Keys returns the settings in the order in which help and `config list` show
// them. It is the one place that describes them.
func Keys() []Key {
	return []Key{
		{Name: keyServer, Flag: "server", Env: EnvServer, Default: DefaultServer, InProfile: true,
			Doc: "`URL` of the Mender server; https unless it has a scheme", check: NormalizeServer},
		{Name: keyUsername, InProfile: true, Doc: "email address that login suggests", check: checkLine},
		{Name: keyOrg, InProfile: true, Doc: "id of the organization whose webhook secrets to use without an access token", check: checkLine},
		{Name: keyToken, Flag: "token-value", Env: EnvToken, InProfile: true, Secret: true,
			Doc: "access token, a `JWT`; other users can see it in the process list", check: checkToken},
		{Name: keyTokenFile, Flag: "token", InProfile: true,
			Doc: "`FILE` with the access token; - for stdin", check: checkLine},
		{Name: "profile", Flag: "profile", Env: EnvProfile, Default: DefaultProfile,
			Doc: "`NAME` of the profile; takes precedence over server and token in the environment", check: checkLine},
		{Name: "config", Flag: "config", Env: EnvConfig, Doc: "config `FILE`", check: checkLine},
		{Name: keyCACert, Flag: "ca-cert", Env: EnvCACert, InProfile: true,
			Doc: "PEM `FILE` with additional certificate authorities to trust", check: checkLine},
		{Name: keySkip, Flag: "skip-verify", Default: "false", InProfile: true,
			Doc: "do not verify Mender's certificate", check: checkBool},
		{Name: keyTimeout, Flag: "request-timeout", Default: DefaultRequestTimeout.String(), InProfile: true,
			Doc: "limit for one API request, a `DURATION` such as 30s", check: checkTimeout},
		{Name: keyAllowHTTP, Flag: "allow-http", Default: "false", InProfile: true,
			Doc: "allow the token over plain http to another machine", check: checkBool},
		{Name: keyNoKeyring, Flag: "no-keyring", Default: "false", InProfile: true,
			Doc: "store tokens and secrets in a file instead of the keyring", check: checkBool},
	}
}

// ProfileKeys returns the names of the settings that a profile can hold.
func ProfileKeys() []string {
	var names []string
	for _, k := range Keys() {
		if k.InProfile {
			names = append(names, k.Name)
		}
	}
	return names
}

// profileKey finds a setting that a profile can hold.
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
		return "", errors.New("it is neither true nor false")
	}
	return text, nil
}

func checkTimeout(text string) (string, error) {
	if _, err := strconv.Atoi(text); err == nil {
		return "", errors.New("it has no unit; write 30s, or 2m")
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return "", errors.New("it is no duration such as 30s, or 2m")
	case d <= 0:
		return "", errors.New("it has to be more than 0")
	}
	return d.String(), nil
}

func checkLine(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return "", errors.New("it holds a control character, such as a line break")
		}
	}
	return text, nil
}
