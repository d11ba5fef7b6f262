package config

import (
	"fmt"
	"io"
	"time"
)

// Source says where a value came from.
type Source string

// The sources, from the strongest to the weakest. A secret can also come from
// the store on this machine, or be generated.
const (
	SourceFlag        Source = "flag"
	SourceEnvironment Source = "environment"
	SourceProfile     Source = "profile"
	SourceStored      Source = "stored"
	SourceMenderCLI   Source = "mender-cli"
	SourceDefault     Source = "default"
	SourceGenerated   Source = "generated"
	SourceNone        Source = "none"
)

// hidden stands where a token would be shown.
const hidden = "(not shown)"

// Account is for whom a command works: an organization on a server.
type Account struct {
	// Server is the base URL, as NormalizeServer gives it.
	Server string
	// Organization is the tenant's id: Load takes it from the profile, and a
	// caller that reads the token's claims replaces it. It is empty if it is not
	// known, and on an open source server.
	Organization string
	// OrganizationKnown tells an open source server from an organization that
	// is not known.
	OrganizationKnown bool
	// Token is the access token; its Value is empty where there is none.
	Token Token
	// Profile is the profile's name; DefaultProfile where nothing names one.
	Profile string
}

// Settings is what Load found. It is plain data: copying it is fine, and so
// is reading it from several goroutines.
type Settings struct {
	Account
	// Username is the email address to offer at login, or empty.
	Username string
	// ConfigFile is the config file's path, whether or not it exists; empty
	// where the system has no place for it and none is named.
	ConfigFile string
	// SecretsFile is where pkg/secret keeps its file; empty as ConfigFile.
	SecretsFile string
	// CACertFile is a PEM file with authorities to trust too, or empty.
	CACertFile string
	// SkipVerify turns off the check of the server's certificate.
	SkipVerify bool
	// AllowHTTP lets the token go over plain http to another machine.
	AllowHTTP bool
	// NoKeyring keeps tokens and secrets out of the system's keyring.
	NoKeyring bool
	// RequestTimeout is the limit for one API request.
	RequestTimeout time.Duration
	// Notes are lines that the user should see on standard error: what was
	// found and not used, and why.
	Notes []string

	values []Value
}

// Values returns each setting that has a value, in the order of Keys, with
// where it came from.
func (s *Settings) Values() []Value { return s.values }

// Value is one setting as `config list` shows it.
type Value struct {
	// Key is the setting's name, as in Key.Name.
	Key string `json:"key" yaml:"key"`
	// Text is the value; for a token it says only that there is one.
	Text string `json:"value" yaml:"value"`
	// Source is the kind of place it came from.
	Source Source `json:"source" yaml:"source"`
	// From is the place itself: --server, MENDER_SERVER_URL, a file and its
	// line; empty for a default.
	From string `json:"from,omitempty" yaml:"from,omitempty"`
}

// Token is an access token and where it came from. However it is printed, it
// shows only that; Value gives it away.
type Token struct {
	// Value is the token itself, a JWT, or empty.
	Value string
	// Source is SourceFlag (also for a file named by a flag),
	// SourceEnvironment, SourceProfile, SourceStored, SourceMenderCLI or
	// SourceNone.
	Source Source
	// From is the place itself, such as "--token /run/token".
	From string
}

// String says where the token came from.
func (t Token) String() string {
	if t.Value == "" {
		return "no token"
	}
	return "token from " + t.From
}

// Format prints String for every verb, so that no %+v of a struct around a
// Token gives it away.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText makes JSON, YAML and slog show String.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
