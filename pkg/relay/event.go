package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Event is an event as it was received.
type Event struct {
	// ID identifies the event. It must not be empty. An event whose ID is still in
	// the queue is a duplicate.
	ID string
	// Type is Mender's event type.
	Type string
	// Header holds the headers that came with the event. Only the headers that
	// target.EndToEnd returns are stored, without names that begin with Nats- or
	// Mender-Relay-.
	Header http.Header
	// Body holds the exact bytes of the delivery.
	Body []byte
}

// Limits and names for values from outside that become part of a message.
const (
	maxIDLength     = 128
	maxTypeLength   = 64
	natsPrefix      = "Nats-"
	relayPrefix     = "Mender-Relay-"
	hashedPrefix    = "sha256="                 // '=' is in no id or type that is used unchanged
	headerOriginal  = relayPrefix + "Id"        // the event's key, if the message id differs
	headerType      = relayPrefix + "Type"      // of a dead letter
	headerReason    = relayPrefix + "Reason"    // of a dead letter
	headerAttempts  = relayPrefix + "Attempts"  // of a dead letter
	headerStoredAt  = relayPrefix + "Stored-At" // of a dead letter
	headerRoute     = relayPrefix + "Route"     // of a dead letter, and of an event for only one route
	headerSequence  = relayPrefix + "Sequence"  // of a dead letter: its place in the queue
	headerTypeOther = "other"
)

// key returns the message id and subject token for an event's id: the id itself
// if it is short and plain, as Mender's UUIDs are, otherwise its hash.
func key(id string) string { return safeToken(id, maxIDLength) }

// typeToken returns the subject token for an event's type.
func typeToken(typ string) string {
	if typ == "" {
		return headerTypeOther
	}
	return safeToken(typ, maxTypeLength)
}

func safeToken(s string, limit int) string {
	plain := s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if plain {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hashedPrefix + hex.EncodeToString(sum[:])
}

// storedHeader returns the headers to store with an event: the headers for the
// application, without names that NATS or this package would interpret.
func storedHeader(in http.Header) nats.Header {
	out := nats.Header(target.EndToEnd(in))
	maps.DeleteFunc(out, func(name string, _ []string) bool { return isOwn(name) })
	return out
}

func isOwn(name string) bool {
	return strings.HasPrefix(name, natsPrefix) || strings.HasPrefix(name, relayPrefix)
}

// forwardedHeader returns the headers of a stored message that were received with
// the event.
func forwardedHeader(in nats.Header) http.Header {
	out := make(http.Header, len(in))
	for name, values := range in {
		if canonical := http.CanonicalHeaderKey(name); !isOwn(canonical) {
			out[canonical] = values
		}
	}
	return out
}

// State is the state of an event in the queue.
type State string

// The states.
const (
	Waiting   State = "waiting"   // not yet delivered
	Delivered State = "delivered" // delivered, retained for deduplication
	Dead      State = "dead"      // no longer retried
)

// Entry is an event in the queue.
type Entry struct {
	// ID is the event's id as Mender sent it.
	ID     string
	Type   string
	State  State
	Stored time.Time // when it was stored
	Header http.Header
	Body   []byte
	// Sequence is its place in its stream.
	Sequence uint64
	// Route, Reason, Attempts and Died are set for a dead letter.
	Route    string
	Reason   string
	Attempts int
	Died     time.Time
}

// newEntry decodes a message. It reads an id or a type from the body if the message
// has only its hash.
func newEntry(subject string, header nats.Header, body []byte, seq uint64, at time.Time) Entry {
	e := Entry{
		ID: messageKey(header), Type: header.Get(headerType),
		Stored: at, Header: forwardedHeader(header), Body: body, Sequence: seq,
	}
	if e.Type == "" {
		e.Type = subject[strings.LastIndexByte(subject, '.')+1:]
	}
	if e.ID == "" || strings.HasPrefix(e.ID, hashedPrefix) || strings.HasPrefix(e.Type, hashedPrefix) {
		if event, err := webhook.ParseEvent(body); err == nil {
			e.ID, e.Type = event.ID, string(event.Type)
		}
	}
	return e
}

// messageKey returns the key of the event in a message.
func messageKey(header nats.Header) string {
	if original := header.Get(headerOriginal); original != "" {
		return original
	}
	return header.Get(nats.MsgIdHdr)
}
