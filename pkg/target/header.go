package target

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
)

// The headers that this program adds to events and answers.
const (
	// HeaderRebuilt marks an event that was rebuilt from Mender's log or from the state
	// of a device, so its bytes differ from the original delivery.
	HeaderRebuilt = "X-Mender-Webhooks-Rebuilt"
	// HeaderEdited marks an event that a user edited and that was signed again.
	HeaderEdited = "X-Mender-Webhooks-Edited"
	// HeaderDuplicate marks the answer to an event that is a duplicate.
	HeaderDuplicate = "X-Mender-Webhooks-Duplicate"
)

// The limits of forwarded headers. Common web servers refuse requests with
// more than 100 headers or 8 KiB in total.
const (
	maxHeaders     = 48
	maxHeaderBytes = 6 << 10
)

// EndToEnd returns the headers of a delivery that are meant for the
// application, under their canonical names.
//
// It removes connection headers and credentials, and limits the remaining headers
// to 48 values and 6 KiB. They are added in this order: Mender's signature headers and
// the headers of this program; the headers of Standard Webhooks; Content-Type,
// Content-Encoding and User-Agent; Mender's other headers; and all others, by name. The
// order matters because headers are not signed: anyone who replays a delivery can add
// more.
func EndToEnd(in http.Header) http.Header {
	type field struct {
		name, canonical string
		rank            int
	}
	fields := make([]field, 0, len(in))
	for name := range in {
		canonical := http.CanonicalHeaderKey(name)
		if !IsHopByHop(canonical) && !redact.IsCredential(canonical) && !listed(in["Connection"], canonical) {
			fields = append(fields, field{name, canonical, rank(canonical)})
		}
	}
	slices.SortFunc(fields, func(a, b field) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.name, b.name))
	})
	out := make(http.Header, len(fields))
	count, size := 0, 0
	for _, f := range fields {
		for _, value := range in[f.name] {
			cost := len(f.name) + len(value) + len(": \r\n")
			if count == maxHeaders || size+cost > maxHeaderBytes {
				continue
			}
			count, size = count+1, size+cost
			out[f.canonical] = append(out[f.canonical], value)
		}
	}
	return out
}

// IsHopByHop reports whether a header, under its canonical name, applies to only one
// connection. Accept-Encoding is included because this program reads the answer itself.
func IsHopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer",
		"Upgrade", "Expect", "Content-Length", "Host", "Accept-Encoding":
		return true
	}
	return false
}

// listed reports whether the values of a Connection header name a header.
func listed(values []string, name string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), name) {
				return true
			}
		}
	}
	return false
}

// rank orders headers by importance, so that a flood of other headers cannot displace
// those that an application needs. The name must be canonical.
func rank(name string) int {
	switch name {
	case "X-Men-Signature", "X-Men-Algorithm", "X-Men-Signature-Payload", HeaderRebuilt, HeaderEdited:
		return 0
	case "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature":
		return 1
	case "Content-Type", "Content-Encoding", "User-Agent":
		return 2
	}
	if strings.HasPrefix(name, "X-Men-") {
		return 3
	}
	return 4
}
