package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// decode reads the first JSON value of a body and ignores the rest, as the
// server does. It returns the server's error message, or "".
func decode(body []byte, into any) string {
	err := json.NewDecoder(bytes.NewReader(body)).Decode(into)
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &mismatch):
		return describe(mismatch)
	default:
		return err.Error()
	}
}

// describe formats an encoding/json error with the names of the server's
// types.
func describe(e *json.UnmarshalTypeError) string {
	where := "value"
	if e.Field != "" {
		where = "struct field " + serverType(e.Struct) + "." + e.Field
	}
	typ := e.Type.String()
	if name, ours := strings.CutPrefix(typ, "sandbox."); ours {
		typ = "model." + serverType(name)
	}
	return "json: cannot unmarshal " + e.Value + " into Go " + where + " of type " + typ
}

func serverType(name string) string {
	switch name {
	case "awsCredentials":
		return "AWSCredentials"
	case "httpCredentials":
		return "HTTPCredentials"
	case "":
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// hexSecret is a webhook's secret in hexadecimal digits. Like the server, it
// accepts the empty string.
type hexSecret string

// UnmarshalText accepts hexadecimal digits only.
func (h *hexSecret) UnmarshalText(b []byte) error {
	if _, err := hex.DecodeString(string(b)); err != nil {
		return fmt.Errorf("value error: '%s' is not a hexadecimal string", b)
	}
	*h = hexSecret(b)
	return nil
}

// MarshalText omits the secret.
func (h hexSecret) MarshalText() ([]byte, error) { return []byte(omitted), nil }

// key returns the secret to sign with; the zero Secret if h is nil.
func (h *hexSecret) key() webhook.Secret {
	switch {
	case h == nil:
		return webhook.Secret{}
	case *h == "":
		return webhook.EmptySecret()
	}
	key, _ := webhook.ParseSecret(string(*h)) // checked when it was decoded
	return key
}

// awsSecret is a secret access key.
type awsSecret string

// MarshalText omits the secret.
func (awsSecret) MarshalText() ([]byte, error) { return []byte(omitted), nil }

// connectionString is Azure's: parts such as HostName=…, separated by ";".
type connectionString string

var (
	errConnectionString = errors.New("invalid connectionstring format")
	errHostNotTrusted   = errors.New("hostname does not refer to a trusted domain")
	errNoKeyName        = errors.New("one of 'DeviceId' or 'SharedAccessKeyName' must be set")
	errConnectionLength = errors.New("connection string can be no longer than 4096 characters")
)

// connectionParts lists the keys that the server knows, in its order.
func connectionParts() []string {
	return []string{"HostName", "SharedAccessKeyName", "DeviceId", "ModuleId", "SharedAccessKey", "SharedAccessSignature"}
}

// UnmarshalText checks the string as the server does, except that it does not
// resolve the host name.
func (s *connectionString) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	parts, err := connectionString(b).parts()
	if err != nil {
		return err
	}
	if err := checkConnection(parts, len(b)); err != nil {
		return fmt.Errorf("connection string invalid: %w", err)
	}
	*s = connectionString(b)
	return nil
}

// MarshalText omits the key except for its first three bytes.
func (s connectionString) MarshalText() ([]byte, error) {
	parts, err := s.parts()
	if err != nil {
		return nil, err
	}
	var shown []string
	for _, name := range connectionParts() {
		value := parts[name]
		if value == "" || name == "SharedAccessSignature" { // not stored in the database
			continue
		}
		if name == "SharedAccessKey" {
			value = base64.StdEncoding.EncodeToString([]byte(value[:min(3, len(value))])) + "..." + omitted
		}
		shown = append(shown, name+"="+value)
	}
	return []byte(strings.Join(shown, ";")), nil
}

// parts splits the string and decodes the key.
func (s connectionString) parts() (map[string]string, error) {
	parts := map[string]string{}
	if s == "" {
		return parts, nil
	}
	for part := range strings.SplitSeq(string(s), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, errConnectionString
		}
		known := false
		for _, k := range connectionParts() {
			known = known || k == name
		}
		if !known {
			return nil, fmt.Errorf("invalid connection string key: %s", name)
		}
		if name == "SharedAccessKey" {
			key, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, fmt.Errorf("shared access key format: %w", err)
			}
			value = string(key)
		}
		parts[name] = value
	}
	return parts, nil
}
