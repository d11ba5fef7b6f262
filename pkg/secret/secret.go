package secret

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

// Kind is the kind of an entry.
type Kind string

// The kinds.
const (
	// Token is an access token; Name is a profile.
	Token Kind = "token"
	// Webhook is a webhook's secret in hexadecimal; Name is the integration's id.
	Webhook Kind = "webhook"
	// Applied is the fingerprint of the secret that was last set on the server;
	// Name is the integration's id. See Webhooks.SetApplied.
	Applied Kind = "applied"
)

// Key identifies an entry.
type Key struct {
	Kind Kind `json:"kind"`
	// Server is the base URL, in the form of config.NormalizeServer.
	Server string `json:"server"`
	// Organization is the tenant's id; empty for a token, on an open source
	// server, and in entries that older versions wrote.
	Organization string `json:"organization,omitempty"`
	Name         string `json:"name"`
}

// TokenKey returns the key of an account's token. There is one for each server and profile.
func TokenKey(account config.Account) Key {
	return Key{Kind: Token, Server: account.Server, Name: account.Profile}
}

// String returns text such as "the token of profile lab on https://mender.example".
func (k Key) String() string {
	switch k.Kind {
	case Token:
		return fmt.Sprintf("the token of profile %s on %s", k.Name, k.Server)
	case Webhook:
		return fmt.Sprintf("the secret of webhook %s on %s", k.Name, k.Server)
	case Applied:
		return fmt.Sprintf("the fingerprint of the secret applied to %s on %s", k.Name, k.Server)
	}
	return fmt.Sprintf("the %s %s on %s", k.Kind, k.Name, k.Server)
}

// Origin is how a secret got into the store.
type Origin string

// The origins. Log out only with a token of origin Login: Mender's logout revokes
// any other token permanently.
const (
	Login     Origin = "login"     // login created the session
	Given     Origin = "given"     // the user passed it
	Generated Origin = "generated" // this program generated it
)

// Place is where a secret is stored.
type Place string

// The places.
const (
	Keyring Place = "keyring"
	File    Place = "file"
)

// Info describes an entry without its secret.
type Info struct {
	Key
	Origin Origin `json:"origin,omitempty"`
	// Stored is the time of the last change, to the second, in UTC.
	Stored time.Time `json:"stored"`
	Place  Place     `json:"place"`
}

// Entry is a secret with its description. Printing it shows only its key.
type Entry struct {
	Info
	// Value is the token, or the webhook's secret in hexadecimal.
	Value string
	// Old contains the earlier secrets, newest first, during a rotation: a
	// receiver still accepts them.
	Old []string
}

// String returns the key's text.
func (e Entry) String() string { return e.Key.String() }

// Format prints String for every verb, so that printing a struct that contains an
// Entry with %+v does not reveal the secret.
func (e Entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// MarshalText makes JSON, YAML and slog show String.
func (e Entry) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Saved describes where a secret was stored.
type Saved struct {
	Place Place
	// Path is the store's file.
	Path string
	// KeyringErr is why the keyring could not be used; nil if the secret is in
	// the keyring, or Options.NoKeyring is set.
	KeyringErr error
}

// String completes a sentence such as "the token is stored in …".
func (s Saved) String() string {
	switch {
	case s.Place == Keyring:
		return "the system's keyring"
	case errors.Is(s.KeyringErr, exec.ErrNotFound): // the keyring's helper is missing
		return fmt.Sprintf("the file %s, which only you can read, since there is no keyring", s.Path)
	case s.KeyringErr != nil:
		return fmt.Sprintf("the file %s, which only you can read, since the keyring cannot be used (%v)", s.Path, s.KeyringErr)
	}
	return fmt.Sprintf("the file %s, which only you can read", s.Path)
}

// ErrNotFound reports that an entry is not stored on this machine.
var ErrNotFound = errors.New("not stored on this machine")
