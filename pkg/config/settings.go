package config

import (
	"fmt"
	"io"
	"time"
)

// Source is the kind of place that a value comes from.
type Source string

// The sources in descending precedence. A secret can also be stored on this machine, or
// generated.
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

// hidden is shown instead of a token.
const hidden = "(not shown)"

// Account is an organization on a server, and how to access it.
type Account struct {
	// Server is the base URL, as NormalizeServer returns it.
	Server string
	// Organization is the tenant id. Load reads it from the profile; a caller that
	// reads the token's claims replaces it. It is empty if it is unknown, and on an
	// open source server.
	Organization string
	// OrganizationKnown distinguishes an open source server from an unknown
	// organization.
	OrganizationKnown bool
	// Token is the access token; its Value is empty if there is none.
	Token Token
	// Profile is the name of the profile, by default defaultProfile.
	Profile string
}

// SameOrganization reports whether both accounts are known to belong to the same
// organization on the same server.
func (a Account) SameOrganization(other Account) bool {
	return a.OrganizationKnown && other.OrganizationKnown && a.Server == other.Server && a.Organization == other.Organization
}

// Settings is the result of Load. It is plain data that may be copied, and read
// concurrently.
type Settings struct {
	Account
	// Username is the email address that login suggests, or empty.
	Username string
	// ConfigFile is the path of the config file, even if it does not exist; empty
	// if there is no folder for it.
	ConfigFile string
	// SecretsFile is the path of pkg/secret's file; empty if there is no folder for it.
	SecretsFile string
	// CACertFile is a PEM file with additional certificate authorities to trust, or
	// empty.
	CACertFile string
	// SkipVerify disables verification of the server's certificate.
	SkipVerify bool
	// AllowHTTP allows the token over plain http to another machine.
	AllowHTTP bool
	// NoKeyring stores tokens and secrets in a file instead of the keyring.
	NoKeyring bool
	// RequestTimeout is the limit for one API request.
	RequestTimeout time.Duration
	// Notes are messages for stderr about values that are not used, and why.
	Notes []string

	values []Value
}

// Values returns the settings that have a value, with their origins, in the order of
// Keys.
func (s *Settings) Values() []Value { return s.values }

// Value is a setting as `config list` shows it.
type Value struct {
	// Key is the name of the setting, as in Key.Name.
	Key string `json:"key" yaml:"key"`
	// Text is the value, or a placeholder for a token.
	Text string `json:"value" yaml:"value"`
	// Source is the kind of place that the value comes from.
	Source Source `json:"source" yaml:"source"`
	// From is the exact origin, such as --server, MENDER_SERVER_URL, or a file and
	// line; empty for a default.
	From string `json:"from,omitempty" yaml:"from,omitempty"`
}

// Token is an access token with its origin. Printing it shows only the origin.
type Token struct {
	// Value is the token, a JWT, or empty.
	Value string
	// Source is SourceFlag (also for a file named by a flag),
	// SourceEnvironment, SourceProfile, SourceStored, SourceMenderCLI or
	// SourceNone.
	Source Source
	// From is the origin, such as "--token /run/token".
	From string
}

// String returns the origin of the token.
func (t Token) String() string {
	if t.Value == "" {
		return "no token"
	}
	return "token from " + t.From
}

// Format prints String for every verb, so that printing a struct with a Token does not
// reveal it.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns String, for JSON, YAML and slog.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
