package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// sign computes a signature without any of this package's code.
func sign(key string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestRecordedDeliveries(t *testing.T) {
	wrong := mustSecret(t, "00ff00ff")
	for _, r := range recordings(t) {
		t.Run(r.title(), func(t *testing.T) {
			own := r.secret(t)
			check := func(what string, h http.Header, body []byte, secrets []Secret, want Verification) {
				t.Helper()
				if got := Verify(h, body, secrets...); got != want {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
			}
			if !r.signed() {
				check("with a secret", r.header, r.body, []Secret{wrong}, Verification{Verdict: Unsigned})
				check("without", r.header, r.body, nil, Verification{Verdict: Unchecked})
				return
			}
			valid := Verification{Verdict: Valid, Secret: own.Fingerprint()}
			altered := Verification{Verdict: Invalid, Reason: WrongSecretOrAlteredBody}
			check("its own secret", r.header, r.body, []Secret{own}, valid)
			check("one of several", r.header, r.body, []Secret{wrong, {}, own, wrong}, valid)
			if *r.SecretHex == "" {
				empty := Verification{Verdict: Invalid, Reason: EmptySecretUsed}
				check("another secret", r.header, r.body, []Secret{wrong}, empty)
				check("no secret", r.header, r.body, nil, Verification{Verdict: Unchecked, Reason: EmptySecretUsed})
			} else {
				check("a wrong secret", r.header, r.body, []Secret{wrong}, altered)
				check("no secret", r.header, r.body, nil, Verification{Verdict: Unchecked})
			}

			asText := r.header.Clone()
			text := hex.EncodeToString([]byte{0xde, 0xad, 0xbe, 0xef})
			asText.Set(HeaderSignature, sign(text, r.body))
			check("the secret's text as key", asText, r.body, []Secret{wrong, mustSecret(t, text)},
				Verification{Verdict: Invalid, Reason: SecretAsText})

			other := r.header.Clone()
			other.Set(HeaderSignaturePayload, other.Get(HeaderSignature))
			other.Del(HeaderSignature)
			check("the other header name", other, r.body, []Secret{own}, valid)
		})
	}
}

func (r recording) title() string {
	e, err := ParseEvent(r.body)
	if err != nil {
		return "no event"
	}
	return string(e.Type) + " " + e.ID[:8]
}

// After any change of the body, the signature is invalid.
func TestAlteredBody(t *testing.T) {
	for _, r := range recordings(t) {
		if !r.signed() || *r.SecretHex == "" {
			continue
		}
		own := r.secret(t)
		alterations := func(yield func([]byte)) {
			for i := range r.body {
				for _, flip := range []byte{1, 0x20, 0x80} {
					b := bytes.Clone(r.body)
					b[i] ^= flip
					yield(b)
				}
				yield(append(bytes.Clone(r.body[:i]), r.body[i+1:]...))
			}
			yield(append(bytes.Clone(r.body), '\n'))
			yield(nil)
		}
		alterations(func(body []byte) {
			want := Verification{Verdict: Invalid, Reason: WrongSecretOrAlteredBody}
			if got := Verify(r.header, body, own); got != want {
				t.Fatalf("%q: %v, want %v", body, got, want)
			}
		})
	}
}

func TestSign(t *testing.T) {
	for _, r := range recordings(t) {
		if r.signed() {
			if got, want := r.secret(t).Sign(r.body), r.header.Get(HeaderSignature); got != want {
				t.Errorf("%s: %s, want %s", r.body, got, want)
			}
		}
	}
}

func TestVerifyHeaders(t *testing.T) {
	body := []byte(`{"id":"1","type":"t"}`)
	secret := mustSecret(t, "DEADbeef")
	good := sign("\xde\xad\xbe\xef", body)
	const bad = MalformedSignature
	for _, test := range []struct {
		name    string
		header  http.Header
		verdict Verdict
		reason  Reason
	}{
		{"as Mender sends it", headers(HeaderAlgorithm, Algorithm, HeaderSignature, good), Valid, ""},
		{"no algorithm", headers(HeaderSignature, good), Valid, ""},
		{"upper case digits", headers(HeaderSignature, strings.ToUpper(good)), Valid, ""},
		{"lower case header names", headers("x-men-signature", good), Valid, ""},
		{"the documentation's name", headers(HeaderSignaturePayload, good), Valid, ""},
		{"both names, one right", headers(HeaderSignature, good, HeaderSignaturePayload, "x"), Valid, ""},
		{"both names, the other right", headers(HeaderSignature, sign("x", body), HeaderSignaturePayload, good), Invalid, WrongSecretOrAlteredBody},
		{"none", headers(), Unsigned, ""},
		{"an algorithm alone", headers(HeaderAlgorithm, Algorithm), Unsigned, ""},
		{"another algorithm", headers(HeaderAlgorithm, "MEN-HMAC-SHA1", HeaderSignature, good), Invalid, UnknownAlgorithm},
		{"an algorithm in lower case", headers(HeaderAlgorithm, strings.ToLower(Algorithm), HeaderSignature, good), Invalid, UnknownAlgorithm},
		{"empty", headers(HeaderSignature, ""), Invalid, bad},
		{"too short", headers(HeaderSignature, good[:62]), Invalid, bad},
		{"too long", headers(HeaderSignature, good+"00"), Invalid, bad},
		{"no hexadecimal", headers(HeaderSignature, "zz"+good[2:]), Invalid, bad},
		{"a prefix as GitHub has it", headers(HeaderSignature, "sha256="+good), Invalid, bad},
		{"twice", headers(HeaderSignature, good, HeaderSignature, good), Invalid, bad},
		{"text, another case", headers(HeaderSignature, sign("deadbeef", body)), Invalid, SecretAsText},
		{"text as given", headers(HeaderSignature, sign("DEADbeef", body)), Invalid, SecretAsText},
		{"text in upper case", headers(HeaderSignature, sign("DEADBEEF", body)), Invalid, SecretAsText},
		{"empty key", headers(HeaderSignature, sign("", body)), Invalid, EmptySecretUsed},
		{"another key", headers(HeaderSignature, sign("x", body)), Invalid, WrongSecretOrAlteredBody},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Verify(test.header, body, secret)
			want := Verification{Verdict: test.verdict, Reason: test.reason}
			if want.Verdict == Valid {
				want.Secret = secret.Fingerprint()
			}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if got := Verify(test.header, body, Secret{}); got.Verdict != Unchecked {
				t.Errorf("without a secret: %v", got)
			}
		})
	}
}

func TestVerificationString(t *testing.T) {
	for _, test := range []struct {
		v    Verification
		want string
	}{
		{Verification{Verdict: Valid, Secret: "abc"}, "valid"},
		{Verification{Verdict: Invalid, Reason: SecretAsText}, "invalid (secret-as-text)"},
	} {
		if got := test.v.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// FuzzVerify tries signature headers: only the right signature is valid, and none
// makes Verify panic.
func FuzzVerify(f *testing.F) {
	body := []byte(`{"id":"1","type":"t"}`)
	good := sign("\xde\xad\xbe\xef", body)
	for _, seed := range [][2]string{
		{Algorithm, good},
		{"", strings.ToUpper(good)},
		{Algorithm, ""},
		{Algorithm, good[1:]},
		{Algorithm, "sha256=" + good},
		{"none", good},
		{Algorithm, sign("deadbeef", body)},
		{Algorithm, sign("", body)},
		{Algorithm, good + "\x00"},
		{"\xff", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	secret := mustSecret(f, "deadbeef")
	f.Fuzz(func(t *testing.T, algorithm, signature string) {
		h := http.Header{HeaderAlgorithm: {algorithm}, HeaderSignature: {signature}}
		got := Verify(h, body, secret)
		right := strings.EqualFold(signature, good) && len(signature) == len(good) &&
			(algorithm == "" || algorithm == Algorithm)
		if (got.Verdict == Valid) != right {
			t.Errorf("%q, %q: %+v", algorithm, signature, got)
		}
		if (got.Verdict == Valid) == (got.Reason != "") {
			t.Errorf("%q, %q: no reason, or one too many: %+v", algorithm, signature, got)
		}
		if got := Verify(h, body); got.Verdict != Unchecked {
			t.Errorf("%q, %q without a secret: %+v", algorithm, signature, got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	secret := GenerateSecret()
	body := []byte(`{"id":"4f2d9c4e-7d2a-4a8e-8d62-1a44d27f0a5b","type":"device-status-changed","time":"2026-11-23T17:51:02Z","data":{"id":"1","status":"accepted"}}`)
	h := headers(HeaderAlgorithm, Algorithm, HeaderSignature, secret.Sign(body))
	b.ReportAllocs()
	for b.Loop() {
		Verify(h, body, secret)
	}
}

func TestAVerifierIsReused(t *testing.T) {
	first, second := mustSecret(t, "00ff"), mustSecret(t, "deadbeef")
	v := NewVerifier(first, Secret{}, second)
	var checks sync.WaitGroup
	for n := range 100 {
		checks.Go(func() {
			body := fmt.Appendf(nil, "body %d", n)
			header := http.Header{HeaderSignature: {second.Sign(body)}}
			if got := v.Verify(header, body); got.Verdict != Valid || got.Secret != second.Fingerprint() {
				t.Errorf("signed with the second secret: %s", got)
			}
			if got := v.Verify(header, []byte("another")); got.Verdict != Invalid {
				t.Errorf("another body: %s", got)
			}
		})
	}
	checks.Wait()
	if !v.Checks([]Secret{first, second}) || v.Checks([]Secret{second, first}) || v.Checks(nil) {
		t.Error("it is for other secrets than it says")
	}
}
