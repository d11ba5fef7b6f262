package mender

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Provider is the kind of service that an integration sends events to. Values
// other than the constants below are preserved.
type Provider string

// The providers that Mender knows.
const (
	ProviderWebhook Provider = "webhook"
	ProviderIoTHub  Provider = "iot-hub"
	ProviderIoTCore Provider = "iot-core"
)

// credentialsType returns the type of credentials that a provider requires, or
// empty for an unknown provider.
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

// Integration is an integration as the server lists it. It encodes to the JSON
// that it was decoded from, including unknown fields.
type Integration struct {
	ID          string
	Provider    Provider
	Credentials Credentials
	Description string
	// Scopes are the requested kinds of events. Mender Open Source silently drops
	// them.
	Scopes []string
	// Extra holds unknown fields, by JSON name.
	Extra map[string]json.RawMessage
}

// NewIntegration holds the parameters of CreateIntegration.
type NewIntegration struct {
	Provider    Provider
	Credentials Credentials
	// Description must be at most 1024 bytes.
	Description string
	// Scopes may be nil.
	Scopes []string
}

// UnmarshalJSON reads the API's JSON.
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

// MarshalJSON returns the API's JSON.
func (i Integration) MarshalJSON() ([]byte, error) {
	return encodeObject(i.Extra,
		field{name: "id", value: i.ID},
		field{name: "provider", value: i.Provider},
		field{name: "credentials", value: i.Credentials},
		field{name: "description", value: i.Description, omit: i.Description == ""},
		field{name: "scopes", value: i.Scopes, omit: i.Scopes == nil})
}

// MarshalJSON returns the body of the request.
func (n NewIntegration) MarshalJSON() ([]byte, error) {
	return encodeObject(nil,
		field{name: "provider", value: n.Provider},
		field{name: "credentials", value: n.Credentials},
		field{name: "description", value: n.Description, omit: n.Description == ""},
		field{name: "scopes", value: n.Scopes, omit: len(n.Scopes) == 0})
}

// checkCredentials returns an error if credentials do not match an integration's
// provider, or contain a placeholder. now is the type of the integration's
// present credentials, which decides if the provider is unknown. The server does
// not check this: when credentials are replaced, Mender accepts any type, and
// every delivery fails from then on. It also stores its own placeholder as the
// secret of an iot-core integration.
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
		return fmt.Errorf("the secret is the server's placeholder %s: pass the secret itself, or a new one",
			omittedSecret)
	}
	return nil
}
