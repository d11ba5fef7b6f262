package webhook

import (
	"fmt"
	"sync"
	"testing"
)

// One Verifier judges many deliveries at a time, each by itself.
func TestVerifierFromManyGoroutines(t *testing.T) {
	old, now, wrong := mustSecret(t, "deadbeef"), mustSecret(t, "c0ffee"), mustSecret(t, "00ff00ff")
	v := NewVerifier(old, Secret{}, now)
	var senders sync.WaitGroup
	for n := range 8 {
		senders.Go(func() {
			for i := range 200 {
				body := fmt.Appendf(nil, `{"sender":%d,"event":%d}`, n, i)
				for _, c := range []struct {
					signer Secret
					want   Verification
				}{
					{old, Verification{Verdict: Valid, Secret: old.Fingerprint()}},
					{wrong, Verification{Verdict: Invalid, Reason: WrongSecretOrAlteredBody}},
					{now, Verification{Verdict: Valid, Secret: now.Fingerprint()}},
				} {
					h := headers(HeaderAlgorithm, Algorithm, HeaderSignature, c.signer.Sign(body))
					if got := v.Verify(h, body); got != c.want {
						t.Errorf("signed with %s: %v, want %v", c.signer, got, c.want)
					}
				}
			}
		})
	}
	senders.Wait()
}

func TestVerifierKeepsNoCallersSlice(t *testing.T) {
	secrets := []Secret{{}, mustSecret(t, "deadbeef")}
	v := NewVerifier(secrets...)
	own := secrets[1]
	secrets[1] = mustSecret(t, "c0ffee")
	body := []byte("{}")
	if got := v.Verify(headers(HeaderSignature, own.Sign(body)), body); got.Verdict != Valid {
		t.Errorf("%v, want valid", got)
	}
	if !secrets[0].IsZero() {
		t.Error("the caller's slice was changed")
	}
}

func BenchmarkVerify(b *testing.B) {
	secret := GenerateSecret()
	body := []byte(`{"id":"4f2d9c4e-7d2a-4a8e-8d62-1a44d27f0a5b","type":"device-status-changed","time":"2026-11-23T17:51:02Z","data":{"id":"1","status":"accepted"}}`)
	h := headers(HeaderAlgorithm, Algorithm, HeaderSignature, secret.Sign(body))
	b.Run("once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Verify(h, body, secret)
		}
	})
	b.Run("Verifier", func(b *testing.B) {
		b.ReportAllocs()
		v := NewVerifier(secret)
		for b.Loop() {
			v.Verify(h, body)
		}
	})
}
