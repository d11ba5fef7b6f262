package receiver_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// hmacOf signs as a sender would that uses the wrong bytes as its key.
func hmacOf(key string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// Every recorded delivery, byte for byte over a real connection, has the
// right verdict and answer for each secret that the receiver may know.
func TestRecordedDeliveries(t *testing.T) {
	const other = "00112233445566778899aabbccddeeff"
	type want struct {
		verdict webhook.Verdict
		reason  webhook.Reason
		status  int
	}
	valid := want{webhook.Valid, "", 204}
	wrong := want{webhook.Invalid, webhook.WrongSecretOrAlteredBody, 401}
	unsigned := want{webhook.Unsigned, "", 401}
	empty := want{webhook.Invalid, webhook.EmptySecretUsed, 401}

	for i, d := range recorded(t) {
		right, withOther, withNone := valid, wrong, want{webhook.Unchecked, "", 204}
		var known []webhook.Secret
		switch {
		case d.SecretHex == nil:
			right, withOther = want{webhook.Unchecked, "", 204}, unsigned
		case *d.SecretHex == "":
			// An empty secret cannot be configured, so it is never valid.
			known, right, withOther = []webhook.Secret{secret(t, other)}, empty, empty
			withNone.reason = webhook.EmptySecretUsed
		default:
			known = []webhook.Secret{secret(t, *d.SecretHex)}
		}
		cases := []struct {
			name    string
			secrets []webhook.Secret
			want    want
		}{
			{"the right secret", known, right},
			{"a wrong secret", []webhook.Secret{secret(t, other)}, withOther},
			{"the right one among others", append([]webhook.Secret{secret(t, other)}, known...), right},
			{"no secret", nil, withNone},
		}
		if known == nil {
			cases[2].secrets = nil // "right" is none at all
		}
		for _, c := range cases {
			t.Run(fmt.Sprintf("%02d/%s", i, c.name), func(t *testing.T) {
				r := start(t, receiver.Options{Secrets: only(c.secrets...)}, receiver.ServerOptions{})
				resp, _ := r.do(d.request(t, r.url, d.body))
				rec := r.record()
				got := want{rec.Verdict, rec.Reason, resp.StatusCode}
				if got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if rec.Status != resp.StatusCode || rec.Bytes != int64(len(d.body)) {
					t.Errorf("the record says status %d and %d bytes", rec.Status, rec.Bytes)
				}
				event, err := webhook.ParseEvent(d.body)
				if err != nil {
					t.Fatal(err)
				}
				if rec.ID != event.ID || rec.Type != string(event.Type) || string(rec.Data) != string(event.Data) {
					t.Errorf("the record shows %s %s %s", rec.ID, rec.Type, rec.Data)
				}
				wantPrint := ""
				if c.want == valid {
					wantPrint = known[0].Fingerprint()
				}
				if rec.Secret != wantPrint {
					t.Errorf("secret %q, want %q", rec.Secret, wantPrint)
				}
			})
		}
	}
}

func TestRecordedDeliveriesSignedWrongly(t *testing.T) {
	for i, d := range recorded(t) {
		if d.SecretHex == nil || *d.SecretHex == "" {
			continue
		}
		r := start(t, receiver.Options{Secrets: only(secret(t, *d.SecretHex))}, receiver.ServerOptions{})
		for _, c := range []struct {
			name      string
			signature string
			want      webhook.Reason
		}{
			{"the secret's text as key", hmacOf(*d.SecretHex, d.body), webhook.SecretAsText},
			{"the empty key", hmacOf("", d.body), webhook.EmptySecretUsed},
			{"a digit too few", d.Headers["X-Men-Signature"][1:], webhook.MalformedSignature},
			{"no digits", "zz" + d.Headers["X-Men-Signature"][2:], webhook.MalformedSignature},
		} {
			req := d.request(t, r.url, d.body)
			req.Header.Set(webhook.HeaderSignature, c.signature)
			resp, body := r.do(req)
			rec := r.record()
			if resp.StatusCode != http.StatusUnauthorized || rec.Verdict != webhook.Invalid || rec.Reason != c.want {
				t.Errorf("%d, %s: %d %s %s, want 401 invalid %s", i, c.name, resp.StatusCode, rec.Verdict, rec.Reason, c.want)
			}
			if want := "invalid (" + string(c.want) + ")\n"; body != want {
				t.Errorf("%d, %s: answered %q, want %q", i, c.name, body, want)
			}
		}
		req := d.request(t, r.url, d.body)
		req.Header.Set(webhook.HeaderAlgorithm, "MD5")
		if resp, _ := r.do(req); resp.StatusCode != http.StatusUnauthorized || r.record().Reason != webhook.UnknownAlgorithm {
			t.Errorf("%d: an unknown algorithm was answered %d", i, resp.StatusCode)
		}
	}
}

// A change of any single byte must be refused.
func TestRecordedDeliveriesAltered(t *testing.T) {
	for i, d := range recorded(t) {
		if d.SecretHex == nil || *d.SecretHex == "" {
			continue
		}
		r := start(t, receiver.Options{Secrets: only(secret(t, *d.SecretHex))}, receiver.ServerOptions{})
		for at := range d.body {
			altered := append([]byte(nil), d.body...)
			altered[at] ^= 1
			resp, _ := r.do(d.request(t, r.url, altered))
			rec := r.record()
			if resp.StatusCode != http.StatusUnauthorized || rec.Verdict != webhook.Invalid ||
				rec.Reason != webhook.WrongSecretOrAlteredBody {
				t.Fatalf("delivery %d, byte %d: answered %d, %s %s", i, at, resp.StatusCode, rec.Verdict, rec.Reason)
			}
		}
	}
}
