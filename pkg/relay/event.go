package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Event is what is stored and forwarded.
type Event struct {
	// ID identifies the event: an event whose ID is still kept is a
	// duplicate. It must not be empty.
	ID string
	// Type is Mender's event type.
	Type string
	// Header is what came with the event. Left out when it is stored: what
	// belongs to one connection (Connection, Content-Length …), credentials
	// (Authorization, Cookie …), names that begin with Nats-, and what goes
	// beyond 16 KiB.
	Header http.Header
	// Body is the exact bytes.
	Body []byte
}

// Bounds of what comes from outside and becomes a name on the stream.
const (
	maxIDLength     = 128
	maxTypeLength   = 64
	maxHeaderBytes  = 16 << 10
	natsPrefix      = "Nats-"
	relayPrefix     = "Mender-Relay-"
	hashedPrefix    = "sha256="                 // '=' is in no id or type that is kept as it is
	headerOriginal  = relayPrefix + "Id"        // the event's key, where the message id is another
	headerType      = relayPrefix + "Type"      // of a dead letter
	headerReason    = relayPrefix + "Reason"    // of a dead letter
	headerAttempts  = relayPrefix + "Attempts"  // of a dead letter
	headerStoredAt  = relayPrefix + "Stored-At" // of a dead letter
	headerSequence  = relayPrefix + "Sequence"  // of a dead letter: where it was in the line
	headerTypeOther = "other"
)

// key turns an event's id into a message id and a subject token: as it is
// where it is short and plain, as Mender's UUIDs are, else hashed.
func key(id string) string { return safeToken(id, maxIDLength) }

// typeToken turns an event's type into a subject token.
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

// dropped are the headers that are not stored: those of the connection the
// event came over, and credentials, which are the listener's own business.
func dropped(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer",
		"Upgrade", "Expect", "Content-Length", "Host", "Accept-Encoding",
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Cookie":
		return true
	}
	return strings.HasPrefix(name, natsPrefix) || strings.HasPrefix(name, relayPrefix)
}

// storedHeader picks what is stored of an event's headers. Mender's own come
// first, so that a pile of others can't push them over the limit.
func storedHeader(in http.Header) nats.Header {
	names := make([]string, 0, len(in))
	connection := strings.Join(in.Values("Connection"), ",")
	for name := range in {
		canonical := http.CanonicalHeaderKey(name)
		if !dropped(canonical) && !headerListed(connection, canonical) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	out := make(nats.Header, len(names)+1)
	size := 0
	for _, name := range names {
		for _, value := range in[name] {
			if size += len(name) + len(value) + 4; size > maxHeaderBytes {
				return out
			}
			out[http.CanonicalHeaderKey(name)] = append(out[http.CanonicalHeaderKey(name)], value)
		}
	}
	return out
}

func rank(name string) int {
	switch canonical := http.CanonicalHeaderKey(name); {
	case strings.HasPrefix(canonical, "X-Men-"):
		return 0
	case canonical == "Content-Type", canonical == "User-Agent":
		return 1
	}
	return 2
}

func headerListed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), name) {
			return true
		}
	}
	return false
}

// forwardedHeader is what of a stored message's headers goes to the
// application.
func forwardedHeader(in nats.Header) http.Header {
	out := make(http.Header, len(in))
	for name, values := range in {
		if canonical := http.CanonicalHeaderKey(name); !dropped(canonical) {
			out[canonical] = values
		}
	}
	return out
}

// State says where an event stands.
type State string

// The states.
const (
	Waiting   State = "waiting"   // stored, and not yet taken by the application
	Delivered State = "delivered" // taken, and kept against repeats
	Dead      State = "dead"      // given up
)

// Entry is an event in the queue.
type Entry struct {
	// ID is the event's id as Mender gave it.
	ID     string
	Type   string
	State  State
	Stored time.Time // when it was stored
	Header http.Header
	Body   []byte
	// Sequence is its place in the stream, or among the dead letters.
	Sequence uint64
	// Reason, Attempts and Died are set for a dead letter.
	Reason   string
	Attempts int
	Died     time.Time
}

// newEntry reads a message. The names that were hashed for the stream are
// taken from the body.
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
