// Package format sends events in standard formats instead of Mender's own:
// CloudEvents and Standard Webhooks. A format is a target in front of another one.
package format

import (
	"context"
	"fmt"
	"maps"
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// formatted is a target that gets each event in another format. It inherits String
// and Close.
type formatted struct {
	target.Target
	name string // of one formatted event, for errors
	// encode returns the event to send instead. It must not change the header or the
	// body of e.
	encode func(e target.Event) (target.Event, error)
}

// Deliver sends the event in the format. An event that the format cannot represent
// is a permanent error, because each attempt would fail.
func (t *formatted) Deliver(ctx context.Context, e target.Event) target.Result {
	encoded, err := t.encode(e)
	if err != nil {
		return target.Result{Err: fmt.Errorf("the event cannot be sent as %s: %w", t.name, err), Permanent: true}
	}
	return t.Target.Deliver(ctx, encoded)
}

// without returns a copy of a header without Mender's signature and other names.
// In the new format, they would describe another body, or could be forged.
func without(header http.Header, names ...string) http.Header {
	drop := map[string]bool{webhook.HeaderSignature: true, webhook.HeaderSignaturePayload: true, webhook.HeaderAlgorithm: true}
	for _, name := range names {
		drop[name] = true
	}
	out := make(http.Header, len(header)+3)
	maps.Copy(out, header)
	maps.DeleteFunc(out, func(name string, _ []string) bool { return drop[http.CanonicalHeaderKey(name)] })
	return out
}
