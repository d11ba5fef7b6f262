package secret

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Kind is what is kept.
type Kind string

// The kinds.
const (
	// Token is an access token; its Name is a profile.
	Token Kind = "token"
	// Webhook is the key that a webhook's deliveries are signed with, in
	// hexadecimal; its Name is the integration's id.
	Webhook Kind = "webhook"
	// Applied is a fingerprint of credentials, not a secret; its Name is the
	// integration's id. See Account.SetApplied.
	Applied Kind = "applied"
)

// Key says which secret is meant.
type Key struct {
	Kind Kind `json:"kind"`
	// Server is the base URL, in the form of config.NormalizeServer.
	Server string `json:"server"`
	// Organization is the tenant's id; empty for a token, on an open source
	// server, and in entries that older versions wrote.
	Organization string `json:"organization,omitempty"`
	Name         string `json:"name"`
}

// String reads as "the token of profile lab on https://mender.example".
func (k Key) String() string {
	switch k.Kind {
	case Token:
		return fmt.Sprintf("the token of profile %s on %s", k.Name, k.Server)
	case Webhook:
		return fmt.Sprintf("the secret of webhook %s on %s", k.Name, k.Server)
	case Applied:
		return fmt.Sprintf("the fingerprint of what was applied to %s on %s", k.Name, k.Server)
	}
	return fmt.Sprintf("the %s %s on %s", k.Kind, k.Name, k.Server)
}

// Origin says how a secret came here.
type Origin string

// The origins. Only a token of Login's may be used to log out: Mender's
// logout revokes any other token for good.
const (
	Login     Origin = "login"     // a session that login made
	Given     Origin = "given"     // the user gave it
	Generated Origin = "generated" // this tool made it
)

// Place is where a secret is.
type Place string

// The places.
const (
	Keyring Place = "keyring"
	File    Place = "file"
)

// Info is what is known of a secret without looking at it.
type Info struct {
	Key
	Origin Origin `json:"origin,omitempty"`
	// Stored is when it was last changed, to the second, in UTC.
	Stored time.Time `json:"stored"`
	Place  Place     `json:"place"`
}

// Entry is a secret and what is known of it. However it is printed, it shows
// its key alone.
type Entry struct {
	Info
	// Value is the token, or the webhook's secret in hexadecimal.
	Value string
	// Old holds the secrets before it, the newest first, until a change of
	// secrets is over: a receiver takes them too.
	Old []string
}

// String returns the key's.
func (e Entry) String() string { return e.Key.String() }

// Format prints String for every verb, so that no %+v of a struct around an
// Entry gives it away.
func (e Entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// MarshalText makes JSON, YAML and slog show String.
func (e Entry) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Saved says where a secret was put.
type Saved struct {
	Place Place
	// Path is the store's file.
	Path string
	// KeyringErr is why the keyring was not used although it may be; nil
	// where it was, or where Options.NoKeyring asked for the file.
	KeyringErr error
}

// String ends a sentence such as "The token is kept in …".
func (s Saved) String() string {
	switch {
	case s.Place == Keyring:
		return "the system's keyring"
	case errors.Is(s.KeyringErr, exec.ErrNotFound): // the keyring's own helper is what is not there
		return fmt.Sprintf("the file %s, which you alone can read, since there is no keyring to use", s.Path)
	case s.KeyringErr != nil:
		return fmt.Sprintf("the file %s, which you alone can read, since there is no keyring to use (%v)", s.Path, s.KeyringErr)
	}
	return fmt.Sprintf("the file %s, which you alone can read", s.Path)
}

// ErrNotFound says that a secret is not kept on this machine.
var ErrNotFound = errors.New("not kept on this machine")
