package format

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// The headers of Standard Webhooks, under Go's canonical names.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// secretPrefix marks a secret for symmetric signatures.
const secretPrefix = "whsec_"

// The specification's limits for the size of a key, in bytes.
const (
	minKey = 24
	maxKey = 64
)

// StandardWebhooks returns a target that signs each event for next as Standard
// Webhooks 1.0 specifies: with the headers webhook-id, webhook-timestamp and
// webhook-signature instead of Mender's signature. The body is unchanged. The id is
// the event's; the timestamp is new for each attempt. The secret is a key from
// ParseSecret; the target keeps a copy.
//
// An event without an id, or whose id has other characters than visible ASCII ones
// or a full stop, is a permanent error: the signature would be ambiguous.
func StandardWebhooks(next target.Target, secret []byte) target.Target {
	key := slices.Clone(secret)
	return &formatted{Target: next, name: "a standard webhook", encode: func(e target.Event) (target.Event, error) {
		if !isMessageID(e.ID) {
			return target.Event{}, errors.New("its id must consist of visible ASCII characters other than the full stop")
		}
		timestamp := strconv.FormatInt(time.Now().Unix(), 10)
		e.Header = without(e.Header, headerID, headerTimestamp, headerSignature)
		e.Header[headerID] = []string{e.ID}
		e.Header[headerTimestamp] = []string{timestamp}
		e.Header[headerSignature] = []string{sign(key, e.ID, timestamp, e.Body)}
		return e, nil
	}}
}

func isMessageID(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' })
}

// sign returns the value of webhook-signature.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+timestamp+".") // a hash never fails
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// ParseSecret returns the key of a secret of Standard Webhooks: "whsec_" and 24 to 64
// bytes in padded base64. A trailing line break is ignored. The error does not quote
// the secret.
func ParseSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimRight(text, "\r\n"), secretPrefix)
	if !ok {
		return nil, errors.New("the secret does not begin with " + secretPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case err != nil || strings.ContainsAny(encoded, "\r\n"): // which the decoder ignores
		return nil, errors.New("the secret is not padded base64 after " + secretPrefix)
	case len(key) < minKey || len(key) > maxKey:
		return nil, fmt.Errorf("the secret has %d bytes: must be at least %d and at most %d", len(key), minKey, maxKey)
	}
	return key, nil
}
