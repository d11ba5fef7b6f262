package conformance

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type testCase struct {
	name     string
	required bool
	sends    string
	expects  string
	fix      string
	run      func(context.Context, *Suite) verdict
}

const (
	accepted = "2xx"
	rejected = "401 or 403"
)

// cases returns all cases in the order in which they run. The signature cases come
// first, since a receiver with a wrong key fails all the others, too.
func cases() []testCase { return slices.Concat(signatures(), events(), connections()) }

func signatures() []testCase {
	const verify = "verify X-Men-Signature before you do anything else with a request"
	return []testCase{
		{"secret-as-text", true, "an event signed with the secret's text", rejected, "decode the secret from hexadecimal, and use the bytes as the key, not the text", secretAsText},
		{"valid", true, "a signed event", accepted, "compare your signature of the raw body with X-Men-Signature: `mender-webhooks verify` shows what it should be", func(ctx context.Context, s *Suite) verdict {
			v := s.accepted(s.signed(ctx, s.status()))
			if v.reason != "" && v.blocks == "" {
				v.blocks = "the receiver does not accept a valid event"
			}
			return v
		}},
		{"signature-header", true, "the signature in X-Men-Signature-Payload, a name that Mender's documentation also mentions", accepted, "accept the signature from either header", func(ctx context.Context, s *Suite) verdict {
			req := s.signed(ctx, s.status())
			req.Header["X-Men-Signature-Payload"] = req.Header[webhook.HeaderSignature]
			req.Header.Del(webhook.HeaderSignature)
			return s.accepted(req)
		}},
		{"unsigned", true, "an event without a signature", rejected, verify, func(ctx context.Context, s *Suite) verdict {
			v := s.refused(s.request(ctx, s.status(), webhook.Secret{}))
			s.acceptsUnsigned = v.reason != "" && v.status > 0 && v.status < 300
			return v
		}},
		{"altered", true, "an event that was altered after it was signed", rejected, verify, func(ctx context.Context, s *Suite) verdict {
			body := s.status()
			req := s.request(ctx, bytes.Replace(body, []byte(webhook.StatusAccepted), []byte(webhook.StatusRejected), 1), webhook.Secret{})
			req.Header = webhook.Header(body, s.Secret)
			return s.refused(req)
		}},
		{"empty-key", true, "an event signed with an empty key", rejected, "refuse to start with an empty secret: anyone can sign with it", func(ctx context.Context, s *Suite) verdict {
			return s.refused(s.request(ctx, s.status(), webhook.EmptySecret()))
		}},
		{"other-secret", true, "an event signed with another secret", rejected, verify, func(ctx context.Context, s *Suite) verdict {
			return s.refused(s.request(ctx, s.status(), webhook.GenerateSecret()))
		}},
	}
}

// secretAsText finds receivers that use the secret's text as the key. Such
// receivers refuse every valid delivery, so the other failures are not reported.
func secretAsText(ctx context.Context, s *Suite) verdict {
	text, err := webhook.ParseSecret(hex.EncodeToString([]byte(s.Secret.Hex())))
	if err != nil {
		return verdict{reason: err.Error()}
	}
	v := s.refused(s.request(ctx, s.status(), text))
	if v.reason == "" || v.status == 0 || v.status > 299 {
		return v
	}
	if d := s.send(s.signed(ctx, s.status())); !d.Success() {
		v.blocks = "the receiver uses the secret's text as its key"
	} else if d := s.send(s.request(ctx, s.status(), webhook.Secret{})); d.Success() {
		v.reason, v.explained = "the receiver accepts unsigned events, too", true
	}
	return v
}

func events() []testCase {
	return []testCase{
		{"raw-body", true, "signed JSON that changes when it is decoded and encoded again", accepted, "compute the signature over the raw bytes of the body, as received", rawBody},
		{"duplicate", true, "the same event twice", accepted, "answer 2xx to an event that you already have: a relay resends it until you do", func(ctx context.Context, s *Suite) verdict {
			body := s.status()
			return s.accepted(s.signed(ctx, body), s.signed(ctx, body))
		}},
		{"out-of-order", false, "two events of one device, the later one first", accepted, "accept events in any order, and compare their `time`", outOfOrder},
		{"unknown-type", true, "an event of a type that does not exist yet", accepted, "accept and ignore event types that you do not know", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.event("device-type-of-the-future", map[string]string{"id": s.device})))
		}},
		{"unknown-fields", false, "an event with fields that do not exist yet", accepted, "ignore fields that you do not know", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.event(webhook.DeviceStatusChanged, map[string]any{"id": s.device, "status": "accepted", "future": map[string]int{"field": 1}})))
		}},
		{"auth-sets", false, "a status change with auth_sets, as newer servers send it", accepted, "ignore auth_sets in device-status-changed", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.event(webhook.DeviceStatusChanged, map[string]any{"id": s.device, "status": "accepted", "auth_sets": []map[string]string{{"id": newID(), "status": "accepted"}}})))
		}},
		{"inventory", false, "an inventory change, which names its device in device_id", accepted, "read device_id in device-inventory-changed, and id in the other events", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.template(webhook.DeviceInventoryChanged)))
		}},
		{"null-data", false, "an event whose data is null", accepted, "accept events without data", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.event(webhook.DeviceStatusChanged, nil)))
		}},
		{"odd-text", false, "control characters, quotes and non-ASCII text in data", accepted, "treat text in events as text: escape it where you show it", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.event(webhook.DeviceStatusChanged, map[string]string{"id": s.device, "status": "accepted", "note": "\x00\x1b[31m\u202e\"'<script>\\ Grüße 设备 🛰"})))
		}},
		{"large", true, "a body of 1 MiB", accepted, "accept bodies of up to 1 MiB", func(ctx context.Context, s *Suite) verdict {
			return s.accepted(s.signed(ctx, s.large(webhook.MaxBody)))
		}},
		{"too-large", false, "a body of 16 MiB", "413", "limit how much of a body you read: anyone can POST to a public URL", func(ctx context.Context, s *Suite) verdict {
			// A receiver that closes the connection while the body is sent has a limit, too.
			d := s.send(s.signed(ctx, s.large(16*webhook.MaxBody)))
			if d.Success() {
				return verdict{status: d.StatusCode, reason: fmt.Sprintf("accepted it with %d", d.StatusCode)}
			}
			return verdict{status: d.StatusCode}
		}},
	}
}

func connections() []testCase {
	return []testCase{
		{"slow-body", false, "a body that arrives in two parts", accepted, "read the whole body before you check it", func(ctx context.Context, s *Suite) verdict {
			body := s.status()
			req := s.signed(ctx, body)
			pause := s.Pause
			if pause == 0 {
				pause = time.Second
			}
			req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:20]), &delay{ctx, pause}, bytes.NewReader(body[20:])))
			req.GetBody = nil
			return s.accepted(req)
		}},
		{"chunked", false, "a body without a Content-Length, as a proxy may send it", accepted, "read the body to its end instead of relying on Content-Length", func(ctx context.Context, s *Suite) verdict {
			req := s.signed(ctx, s.status())
			req.ContentLength = -1
			return s.accepted(req)
		}},
		{"burst", false, "200 events at the same moment", accepted, "answer first and process later; allow enough connections", burst},
		{"idle-connection", false, "a second event over a connection that was idle", accepted, "keep idle connections for longer than Mender's 90 s: an event is lost if you close one while it is sent", idle},
		{"answers-in-time", true, "the slowest answer so far", "at most 10 s, preferably under 2 s", "store the event, answer, and process it afterwards: Mender does not log a delivery that takes longer than 10 s", func(_ context.Context, s *Suite) verdict {
			switch {
			case s.timedOut:
				return verdict{reason: "took more than 10 s, after which Mender gives up"}
			case s.slowest >= SlowAnswer:
				return verdict{warningOnly: true, reason: fmt.Sprintf("took %.1f s", s.slowest.Seconds())}
			}
			return verdict{}
		}},
	}
}

// rawBody sends JSON as Go's encoder writes it, and then valid JSON that changes
// when it is encoded again: with escapes, a large number, keys out of order and
// white space.
func rawBody(ctx context.Context, s *Suite) verdict {
	body := fmt.Appendf(nil, "{\"type\":\"%s\", \"id\":%q,\n \"time\":%q, \"data\":{\"status\":\"accepted\",\"id\":%q,\"note\":\"\\u003ca\\u003e \\/\",\"n\":1.0e+2,\"big\":12345678901234567890}}",
		webhook.DeviceStatusChanged, newID(), time.Now().UTC().Format(time.RFC3339Nano), s.device)
	return s.accepted(s.signed(ctx, body))
}

func outOfOrder(ctx context.Context, s *Suite) verdict {
	earlier := s.status()
	later := s.status()
	return s.accepted(s.signed(ctx, later), s.signed(ctx, earlier))
}

// burst opens 200 connections, as a bulk change of 100 devices does.
func burst(ctx context.Context, s *Suite) verdict {
	const size = 200
	deliveries := make([]webhook.Delivery, size)
	var all sync.WaitGroup
	for n := range deliveries {
		req := s.signed(ctx, s.status())
		all.Go(func() { deliveries[n] = s.Sender.Do(req) })
	}
	all.Wait()
	var v verdict
	failed := 0
	for _, d := range deliveries {
		s.measure(d)
		if d.Success() {
			v.status = max(v.status, d.StatusCode)
			continue
		}
		failed++
		v.reason = answered(d.StatusCode)
		if d.StatusCode == 0 {
			v.reason = cause(d.Err).Error()
		}
	}
	if failed > 0 {
		v.reason = fmt.Sprintf("%d of %d failed, for example: %s", failed, size, v.reason)
	}
	return v
}

// idle sends two events with a pause in between. If the receiver closes the
// connection during the pause, the second event uses a new one. If the receiver
// closes it just as an event is sent, the event would be lost.
func idle(ctx context.Context, s *Suite) verdict {
	if v := s.accepted(s.signed(ctx, s.status())); v.reason != "" {
		return v
	}
	select {
	case <-time.After(s.Idle):
	case <-ctx.Done():
		return verdict{}
	}
	reused := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }})
	v := s.accepted(s.signed(traced, s.status()))
	if v.reason == "" && !reused {
		v.reason = fmt.Sprintf("closed the connection within %s", s.Idle)
	}
	return v
}

// signed returns a request with a valid signature.
func (s *Suite) signed(ctx context.Context, body []byte) *http.Request {
	return s.request(ctx, body, s.Secret)
}

func (s *Suite) request(ctx context.Context, body []byte, secret webhook.Secret) *http.Request {
	req, err := webhook.NewRequest(ctx, s.URL, body, secret)
	if err != nil {
		panic(err) // impossible: Run has checked the URL, the only cause of errors
	}
	return req
}

// status returns a new event that accepts the suite's device.
func (s *Suite) status() []byte {
	return s.event(webhook.DeviceStatusChanged, webhook.StatusChange{ID: s.device, Status: webhook.StatusAccepted})
}

func (s *Suite) template(typ webhook.EventType) []byte {
	e, err := trigger.Template{Type: typ, Device: s.device, Status: webhook.StatusAccepted}.Event(time.Now().UTC())
	return encoded(e, err)
}

func (s *Suite) event(typ webhook.EventType, data any) []byte {
	e, err := webhook.NewEvent(newID(), typ, time.Now(), data)
	return encoded(e, err)
}

// large returns an event of exactly size bytes.
func (s *Suite) large(size int) []byte {
	data := map[string]string{"id": s.device, "status": "accepted", "padding": ""}
	short := len(s.event(webhook.DeviceStatusChanged, data))
	for body := []byte(nil); ; short += len(body) - size {
		data["padding"] = strings.Repeat("x", size-short)
		// The length varies with the digits of the time's fraction.
		if body = s.event(webhook.DeviceStatusChanged, data); len(body) == size {
			return body
		}
	}
}

// encoded returns the event as JSON. It panics on errors, since the suite creates
// the event itself.
func encoded(e webhook.Event, err error) []byte {
	body, encodeErr := json.Marshal(e)
	if err := errors.Join(err, encodeErr); err != nil {
		panic(err)
	}
	return body
}

func newID() string { return uuid.NewString() }

// cause returns an error without its URL, which may contain a password.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// delay is an empty part of a body that takes some time to read.
type delay struct {
	ctx  context.Context
	time time.Duration
}

func (d *delay) Read([]byte) (int, error) {
	select {
	case <-time.After(d.time):
	case <-d.ctx.Done():
	}
	return 0, io.EOF
}
