package mender

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Provider is the kind of service that an integration sends events to. One
// that is not among the constants is kept as it came.
type Provider string

// The providers that Mender knows.
const (
	ProviderWebhook Provider = "webhook"
	ProviderIoTHub  Provider = "iot-hub"
	ProviderIoTCore Provider = "iot-core"
)

// credentialsType returns the type that a provider's credentials have, or ""
// for a provider this package does not know.
func (p Provider) credentialsType() CredentialsType {
	switch p {
	case ProviderWebhook:
		return CredentialsHTTP
	case ProviderIoTHub:
		return CredentialsSAS
	case ProviderIoTCore:
		return CredentialsAWS
	}
	return ""
}

// Integration is one integration as the server lists it. It encodes to what
// it was decoded from, with unknown fields kept in Extra.
type Integration struct {
	ID          string
	Provider    Provider
	Credentials Credentials
	Description string
	// Scopes are the kinds of events asked for; Mender Open Source drops
	// them without a word.
	Scopes []string
	// Extra holds the fields this package does not know, by JSON name.
	Extra map[string]json.RawMessage
}

// NewIntegration is what CreateIntegration is given.
type NewIntegration struct {
	Provider    Provider
	Credentials Credentials
	// Description has at most 1024 bytes.
	Description string
	// Scopes may be nil.
	Scopes []string
}

// UnmarshalJSON reads the API's form.
func (i *Integration) UnmarshalJSON(b []byte) (err error) {
	*i = Integration{}
	i.Extra, err = decodeObject(b,
		field{name: "id", value: &i.ID, must: true},
		field{name: "provider", value: &i.Provider},
		field{name: "credentials", value: &i.Credentials},
		field{name: "description", value: &i.Description},
		field{name: "scopes", value: &i.Scopes})
	return err
}

// MarshalJSON writes the API's form.
func (i Integration) MarshalJSON() ([]byte, error) {
	return encodeObject(i.Extra,
		field{name: "id", value: i.ID},
		field{name: "provider", value: i.Provider},
		field{name: "credentials", value: i.Credentials},
		field{name: "description", value: i.Description, omit: i.Description == ""},
		field{name: "scopes", value: i.Scopes, omit: i.Scopes == nil})
}

// MarshalJSON writes the body of a request to create.
func (n NewIntegration) MarshalJSON() ([]byte, error) {
	return encodeObject(nil,
		field{name: "provider", value: n.Provider},
		field{name: "credentials", value: n.Credentials},
		field{name: "description", value: n.Description, omit: n.Description == ""},
		field{name: "scopes", value: n.Scopes, omit: len(n.Scopes) == 0})
}

// checkCredentials says why credentials can't be sent to an integration of a
// provider whose credentials are now of the type given. Mender itself takes
// any type on a replacement, and every delivery fails from then on; and it
// stores Omitted as an iot-core integration's secret.
func checkCredentials(provider Provider, now CredentialsType, c Credentials) error {
	want := provider.credentialsType()
	if want == "" {
		want = now
	}
	switch {
	case c.Type == "":
		return errors.New("the credentials have no type")
	case want != "" && c.Type != want:
		return fmt.Errorf("a %s integration takes %s credentials, not %s", provider, want, c.Type)
	case c.omitted():
		return fmt.Errorf("the secret is the server's placeholder %s: give the secret itself, or a new one",
			Omitted)
	}
	return nil
}
