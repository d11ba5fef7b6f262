package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// The headers of a signed delivery. Mender's documentation has also named
// HeaderSignaturePayload; the service sends HeaderSignature.
const (
	HeaderAlgorithm        = "X-Men-Algorithm"
	HeaderSignature        = "X-Men-Signature"
	HeaderSignaturePayload = "X-Men-Signature-Payload"
)

// Algorithm is the only one Mender signs with: HMAC-SHA256 over the raw body.
const Algorithm = "MEN-HMAC-SHA256-Payload"

// Verdict is what a receiver thinks of a request.
type Verdict string

// The verdicts. Rejected is for the receiver to give: a request that is no
// webhook delivery, whatever its signature.
const (
	Valid     Verdict = "valid"     // the signature matches a secret
	Invalid   Verdict = "invalid"   // a secret is known, and the signature does not match
	Unsigned  Verdict = "unsigned"  // a secret is known, and there is no signature
	Unchecked Verdict = "unchecked" // no secret is known
	Rejected  Verdict = "rejected"  // no delivery of Mender's
)

// Reason says why a signature is invalid, or what is odd about one that
// could not be checked.
type Reason string

// The reasons.
const (
	// WrongSecretOrAlteredBody is all that can be said where nothing else fits.
	WrongSecretOrAlteredBody Reason = "wrong-secret-or-altered-body"
	// SecretAsText means that the sender used the secret's text as the key,
	// not the bytes it stands for.
	SecretAsText Reason = "secret-as-text"
	// EmptySecretUsed means that the body was signed under an empty key: the
	// webhook was set up with an empty string for its secret.
	EmptySecretUsed Reason = "empty-secret"
	// MalformedSignature means that it is not 64 hexadecimal digits.
	MalformedSignature Reason = "malformed-signature"
	// UnknownAlgorithm means that it is said to be something else than Algorithm.
	UnknownAlgorithm Reason = "unknown-algorithm"
)

// Verification is what Verify found.
type Verification struct {
	Verdict Verdict
	// Reason is empty where there is nothing to say.
	Reason Reason
	// Secret is the fingerprint of the secret that matched, or empty.
	Secret string
}

// String reads as "invalid (secret-as-text)".
func (v Verification) String() string {
	if v.Reason == "" {
		return string(v.Verdict)
	}
	return string(v.Verdict) + " (" + string(v.Reason) + ")"
}

// Sign returns the signature of body under the secret as Mender writes it
// into HeaderSignature: 64 lower-case hexadecimal digits.
func (s Secret) Sign(body []byte) string { return hex.EncodeToString(mac(s.key(), body)) }

// Verify checks the signature of a delivery against each of the secrets.
// body is the request's body, byte for byte: a decoded and re-encoded one
// has another signature. Zero secrets are passed over.
//
// Signatures are compared in constant time, and all secrets are tried, so
// that the time taken tells nothing of which one matched.
func Verify(header http.Header, body []byte, secrets ...Secret) Verification {
	signature, signed := signatureOf(header)
	switch algorithm := header.Get(HeaderAlgorithm); {
	case !slices.ContainsFunc(secrets, func(s Secret) bool { return !s.IsZero() }):
		return unchecked(header, signature, signed, body)
	case !signed:
		return Verification{Verdict: Unsigned}
	case algorithm != "" && algorithm != Algorithm:
		return Verification{Verdict: Invalid, Reason: UnknownAlgorithm}
	}
	got, ok := decodeSignature(signature)
	if !ok {
		return Verification{Verdict: Invalid, Reason: MalformedSignature}
	}
	result := Verification{Verdict: Invalid}
	for _, s := range secrets {
		if !s.IsZero() && hmac.Equal(got[:], mac(s.key(), body)) {
			result = Verification{Verdict: Valid, Secret: s.Fingerprint()}
		}
	}
	if result.Verdict == Invalid {
		result.Reason = explain(got[:], body, secrets)
	}
	return result
}

// unchecked still tells a signature under the empty key, since that is a
// webhook whose owner believes it to be protected.
func unchecked(header http.Header, signature string, signed bool, body []byte) Verification {
	v := Verification{Verdict: Unchecked}
	if a := header.Get(HeaderAlgorithm); !signed || (a != "" && a != Algorithm) {
		return v
	}
	if got, ok := decodeSignature(signature); ok && hmac.Equal(got[:], mac("", body)) {
		v.Reason = EmptySecretUsed
	}
	return v
}

// explain looks for the mistakes that senders and set-ups really make.
func explain(got, body []byte, secrets []Secret) Reason {
	for _, s := range secrets {
		secret := s.Hex()
		if secret == "" {
			continue
		}
		for _, text := range []string{secret, strings.ToLower(secret), strings.ToUpper(secret)} {
			if hmac.Equal(got, mac(text, body)) {
				return SecretAsText
			}
		}
	}
	if hmac.Equal(got, mac("", body)) {
		return EmptySecretUsed
	}
	return WrongSecretOrAlteredBody
}

// signatureOf looks for the names as they stand above: they are canonical.
func signatureOf(header http.Header) (signature string, signed bool) {
	for _, name := range [...]string{HeaderSignature, HeaderSignaturePayload} {
		if values := header[name]; len(values) > 0 {
			// Two signatures are as malformed as one of the wrong length.
			return strings.Join(values, ","), true
		}
	}
	return "", false
}

func decodeSignature(text string) (sum [sha256.Size]byte, ok bool) {
	if len(text) != hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

func mac(key string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return h.Sum(nil)
}
