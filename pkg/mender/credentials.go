package mender

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Omitted is what the server gives in place of a secret that is set.
const Omitted = "<omitted>"

// CredentialsType says what credentials hold. A type that is not among the
// constants is kept as it came.
type CredentialsType string

// The types of credentials that Mender knows.
const (
	CredentialsHTTP CredentialsType = "http"
	CredentialsAWS  CredentialsType = "aws"
	CredentialsSAS  CredentialsType = "sas"
)

// Credentials say where an integration's events go, and with what secret.
// What the struct has no name for is kept in Extra.
//
// Printed with any verb of fmt they show no secret; MarshalJSON gives them
// away, since that is what is sent.
type Credentials struct {
	Type CredentialsType
	// HTTP goes with CredentialsHTTP.
	HTTP *HTTPCredentials
	// AWS goes with CredentialsAWS.
	AWS *AWSCredentials
	// ConnectionString goes with CredentialsSAS. The server gives it back
	// with its key cut to three bytes and Omitted.
	ConnectionString string
	// Extra holds the fields this package does not know, by JSON name.
	Extra map[string]json.RawMessage
}

// HTTPCredentials is a webhook's URL and secret. Mender gives the URL back
// with any password in it.
type HTTPCredentials struct {
	URL string
	// Secret is hexadecimal; "" is none, and is not sent: Mender would take
	// an empty one and sign under an empty key. In an answer it is Omitted.
	Secret string
	// Extra holds the fields this package does not know, by JSON name.
	Extra map[string]json.RawMessage
}

// AWSCredentials is what AWS IoT Core needs.
type AWSCredentials struct {
	AccessKeyID      string
	SecretAccessKey  string // Omitted in an answer
	Region           string
	DevicePolicyName string
	// Extra holds the fields this package does not know, by JSON name.
	Extra map[string]json.RawMessage
}

// HTTP makes the credentials of a webhook; a secret of "" is none.
func HTTP(url, secret string) Credentials {
	return Credentials{Type: CredentialsHTTP, HTTP: &HTTPCredentials{URL: url, Secret: secret}}
}

// HasSecret reports whether a secret is set: for a webhook, whether its
// deliveries are signed.
func (c Credentials) HasSecret() bool {
	return c.HTTP != nil && c.HTTP.Secret != "" || c.AWS != nil && c.AWS.SecretAccessKey != "" || c.ConnectionString != ""
}

// secrets returns what must not be seen of the credentials.
func (c Credentials) secrets() []string {
	out := []string{c.ConnectionString}
	if c.HTTP != nil {
		out = append(out, c.HTTP.Secret)
	}
	if c.AWS != nil {
		out = append(out, c.AWS.SecretAccessKey)
	}
	return out
}

// omitted reports whether a secret is the server's placeholder for one.
func (c Credentials) omitted() bool {
	for _, s := range c.secrets() {
		if strings.Contains(s, Omitted) {
			return true
		}
	}
	return false
}

// UnmarshalJSON reads credentials in the API's form.
func (c *Credentials) UnmarshalJSON(b []byte) (err error) {
	*c = Credentials{}
	c.Extra, err = decodeObject(b,
		field{name: "type", value: &c.Type},
		field{name: "http", value: &c.HTTP},
		field{name: "aws", value: &c.AWS},
		field{name: "connection_string", value: &c.ConnectionString})
	if c.Extra["http"] != nil {
		c.HTTP = nil
	}
	if c.Extra["aws"] != nil {
		c.AWS = nil
	}
	return err
}

// MarshalJSON writes credentials in the API's form, secrets included.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "type", value: c.Type},
		field{name: "http", value: c.HTTP, omit: c.HTTP == nil},
		field{name: "aws", value: c.AWS, omit: c.AWS == nil},
		field{name: "connection_string", value: c.ConnectionString, omit: c.ConnectionString == ""})
}

// UnmarshalJSON reads the API's form.
func (c *HTTPCredentials) UnmarshalJSON(b []byte) (err error) {
	*c = HTTPCredentials{}
	c.Extra, err = decodeObject(b, field{name: "url", value: &c.URL}, field{name: "secret", value: &c.Secret})
	return err
}

// MarshalJSON writes the API's form, the secret included.
func (c HTTPCredentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "url", value: c.URL},
		field{name: "secret", value: c.Secret, omit: c.Secret == ""})
}

// UnmarshalJSON reads the API's form.
func (c *AWSCredentials) UnmarshalJSON(b []byte) (err error) {
	*c = AWSCredentials{}
	c.Extra, err = decodeObject(b,
		field{name: "access_key_id", value: &c.AccessKeyID},
		field{name: "secret_access_key", value: &c.SecretAccessKey},
		field{name: "region", value: &c.Region},
		field{name: "device_policy_name", value: &c.DevicePolicyName})
	return err
}

// MarshalJSON writes the API's form, the secret included.
func (c AWSCredentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "access_key_id", value: c.AccessKeyID},
		field{name: "secret_access_key", value: c.SecretAccessKey, omit: c.SecretAccessKey == ""},
		field{name: "region", value: c.Region},
		field{name: "device_policy_name", value: c.DevicePolicyName})
}

// Format prints the type alone, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, string(c.Type)+" credentials")
}

// Format prints no more than that these are credentials.
func (c HTTPCredentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "http credentials") }

// Format prints no more than that these are credentials.
func (c AWSCredentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "aws credentials") }
