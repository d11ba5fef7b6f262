package mender

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// omittedSecret is the placeholder that the server sends instead of a secret.
const omittedSecret = "<omitted>"

// CredentialsType is a type of credentials. Values other than the constants
// below are preserved.
type CredentialsType string

// The types of credentials that Mender knows.
const (
	CredentialsHTTP CredentialsType = "http"
	CredentialsAWS  CredentialsType = "aws"
	CredentialsSAS  CredentialsType = "sas"
)

// Credentials holds the destination of an integration's events, and its secret.
// Unknown fields are preserved in Extra.
//
// No fmt verb prints a secret. MarshalJSON includes the secret, since its result
// is sent to the server.
type Credentials struct {
	Type CredentialsType
	// HTTP is set if Type is CredentialsHTTP.
	HTTP *HTTPCredentials
	// AWS is set if Type is CredentialsAWS.
	AWS *AWSCredentials
	// ConnectionString is set if Type is CredentialsSAS. In an answer, its key
	// is shortened to three bytes and a placeholder.
	ConnectionString string
	// Extra holds unknown fields, by JSON name.
	Extra map[string]json.RawMessage
}

// HTTPCredentials holds a webhook's URL and secret. Mender returns the URL
// unmasked, including any password in it.
type HTTPCredentials struct {
	URL string
	// Secret is the HMAC key in hexadecimal. If empty, it is not sent, since
	// Mender would accept it and sign with an empty key. In an answer it is a
	// placeholder.
	Secret string
	// Extra holds unknown fields, by JSON name.
	Extra map[string]json.RawMessage
}

// AWSCredentials holds the credentials for AWS IoT Core.
type AWSCredentials struct {
	AccessKeyID      string
	SecretAccessKey  string // a placeholder in an answer
	Region           string
	DevicePolicyName string
	// Extra holds unknown fields, by JSON name.
	Extra map[string]json.RawMessage
}

// HTTP returns credentials for a webhook. The secret may be empty.
func HTTP(url, secret string) Credentials {
	return Credentials{Type: CredentialsHTTP, HTTP: &HTTPCredentials{URL: url, Secret: secret}}
}

// HasSecret reports whether there is a secret. Mender signs the deliveries of a
// webhook that has one.
func (c Credentials) HasSecret() bool {
	return c.HTTP != nil && c.HTTP.Secret != "" || c.AWS != nil && c.AWS.SecretAccessKey != "" || c.ConnectionString != ""
}

// secrets returns the parts of the credentials that must not be shown.
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

// omitted reports whether a secret is the server's placeholder.
func (c Credentials) omitted() bool {
	for _, s := range c.secrets() {
		if strings.Contains(s, omittedSecret) {
			return true
		}
	}
	return false
}

// UnmarshalJSON reads the API's JSON.
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

// MarshalJSON returns the API's JSON, including secrets.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "type", value: c.Type},
		field{name: "http", value: c.HTTP, omit: c.HTTP == nil},
		field{name: "aws", value: c.AWS, omit: c.AWS == nil},
		field{name: "connection_string", value: c.ConnectionString, omit: c.ConnectionString == ""})
}

// UnmarshalJSON reads the API's JSON.
func (c *HTTPCredentials) UnmarshalJSON(b []byte) (err error) {
	*c = HTTPCredentials{}
	c.Extra, err = decodeObject(b, field{name: "url", value: &c.URL}, field{name: "secret", value: &c.Secret})
	return err
}

// MarshalJSON returns the API's JSON, including the secret.
func (c HTTPCredentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "url", value: c.URL},
		field{name: "secret", value: c.Secret, omit: c.Secret == ""})
}

// UnmarshalJSON reads the API's JSON.
func (c *AWSCredentials) UnmarshalJSON(b []byte) (err error) {
	*c = AWSCredentials{}
	c.Extra, err = decodeObject(b,
		field{name: "access_key_id", value: &c.AccessKeyID},
		field{name: "secret_access_key", value: &c.SecretAccessKey},
		field{name: "region", value: &c.Region},
		field{name: "device_policy_name", value: &c.DevicePolicyName})
	return err
}

// MarshalJSON returns the API's JSON, including the secret.
func (c AWSCredentials) MarshalJSON() ([]byte, error) {
	return encodeObject(c.Extra,
		field{name: "access_key_id", value: c.AccessKeyID},
		field{name: "secret_access_key", value: c.SecretAccessKey, omit: c.SecretAccessKey == ""},
		field{name: "region", value: c.Region},
		field{name: "device_policy_name", value: c.DevicePolicyName})
}

// Format prints only the type, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, string(c.Type)+" credentials")
}

// Format prints no secret, whatever the verb.
func (c HTTPCredentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "http credentials") }

// Format prints no secret, whatever the verb.
func (c AWSCredentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "aws credentials") }
