package provision

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// CheckURL returns an error for a URL that no client can send an event to,
// which Mender accepts all the same. It quotes nothing that may be a password.
func CheckURL(text string) error {
	_, err := urls.Parse(text)
	return err
}

func checkURL(text string) error {
	if strings.HasPrefix(text, "$") {
		return errors.New("nothing is expanded here; write { env: VARIABLE } for what a variable holds")
	}
	return CheckURL(text)
}

func checkWebhookSecret(text string) error {
	_, err := webhook.ParseSecret(text)
	return err
}

func checkNotEmpty(text string) error {
	if text == "" {
		return errors.New("it is empty")
	}
	return nil
}

// maxConnectionString is Mender's limit, in bytes.
const maxConnectionString = 4096

// checkConnectionString is what Mender checks, but for whether it trusts the
// host: that is a setting of the server's.
func checkConnectionString(text string) error {
	if len(text) > maxConnectionString {
		return fmt.Errorf("the connection string has %d bytes; Mender takes %d", len(text), maxConnectionString)
	}
	parts, err := connectionParts(text)
	if err != nil {
		return err
	}
	for _, name := range []string{"HostName", "SharedAccessKey"} {
		if parts[name] == "" {
			return fmt.Errorf("the connection string has no %s", name)
		}
	}
	if _, err := base64.StdEncoding.DecodeString(parts["SharedAccessKey"]); err != nil {
		return errors.New("the connection string's SharedAccessKey is not base64")
	}
	if parts["DeviceId"] == "" && parts["SharedAccessKeyName"] == "" {
		return errors.New("the connection string has neither SharedAccessKeyName nor DeviceId")
	}
	return nil
}

// connectionParts takes a connection string apart: Name=value, separated by
// semicolons. Mender refuses names that are not among these.
func connectionParts(text string) (map[string]string, error) {
	known := []string{"HostName", "SharedAccessKeyName", "DeviceId", "ModuleId", "SharedAccessKey", "SharedAccessSignature"}
	parts := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || !slices.Contains(known, name) {
			return nil, errors.New("it is no connection string: Azure's are HostName=…;SharedAccessKeyName=…;SharedAccessKey=…")
		}
		parts[name] = value
	}
	return parts, nil
}

// sameConnection compares a connection string with what the server shows of
// its own: all but most of the key, and none of the signature.
func sameConnection(ours, shown string) bool {
	a, errA := connectionParts(ours)
	b, errB := connectionParts(shown)
	if errA != nil || errB != nil {
		return false
	}
	for _, name := range []string{"HostName", "SharedAccessKeyName", "DeviceId", "ModuleId"} {
		if a[name] != b[name] {
			return false
		}
	}
	key, err := base64.StdEncoding.DecodeString(a["SharedAccessKey"])
	if err != nil {
		return false
	}
	begin, _, _ := strings.Cut(b["SharedAccessKey"], "...")
	return base64.StdEncoding.EncodeToString(key[:min(3, len(key))]) == begin
}
