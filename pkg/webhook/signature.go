package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The headers of a signed delivery. The service sends HeaderSignature, but
// Mender's documentation has also mentioned HeaderSignaturePayload.
const (
	HeaderAlgorithm        = "X-Men-Algorithm"
	HeaderSignature        = "X-Men-Signature"
	HeaderSignaturePayload = "X-Men-Signature-Payload"
)

// Algorithm is the only signature algorithm of Mender: HMAC-SHA256 over the raw
// body.
const Algorithm = "MEN-HMAC-SHA256-Payload"

// Verdict is the result of checking a request.
type Verdict string

// The verdicts. Verify does not return Rejected, which is for receivers to use.
const (
	Valid     Verdict = "valid"     // the signature matches a secret
	Invalid   Verdict = "invalid"   // a secret is known, but the signature does not match
	Unsigned  Verdict = "unsigned"  // a secret is known, but there is no signature
	Unchecked Verdict = "unchecked" // no secret is known
	Rejected  Verdict = "rejected"  // not a delivery, whatever its signature
)

// Reason explains a verdict.
type Reason string

// The reasons.
const (
	// WrongSecretOrAlteredBody means that no other reason explains the result.
	WrongSecretOrAlteredBody Reason = "wrong-secret-or-altered-body"
	// SecretAsText means that the sender used the text of the secret as the
	// key instead of the bytes that it encodes.
	SecretAsText Reason = "secret-as-text"
	// EmptySecretUsed means that the body was signed with an empty key: the
	// webhook was created with an empty string as its secret.
	EmptySecretUsed Reason = "empty-secret"
	// MalformedSignature means that the signature is not 64 hexadecimal digits.
	MalformedSignature Reason = "malformed-signature"
	// UnknownAlgorithm means that HeaderAlgorithm is not Algorithm.
	UnknownAlgorithm Reason = "unknown-algorithm"
)

// Verification is the result of Verify.
type Verification struct {
	Verdict Verdict
	// Reason is empty for most verdicts.
	Reason Reason
	// Secret is the fingerprint of the secret that matched, or empty.
	Secret string
}

// String returns the verdict and the reason, as in "invalid (secret-as-text)".
func (v Verification) String() string {
	if v.Reason == "" {
		return string(v.Verdict)
	}
	return string(v.Verdict) + " (" + string(v.Reason) + ")"
}

// Sign returns the signature of body in the form of HeaderSignature: 64
// lower-case hexadecimal digits.
func (s Secret) Sign(body []byte) string { return hex.EncodeToString(mac(s.key(), body)) }

// Verify checks the signature of a delivery against each of the secrets, except
// zero ones. The body must be the exact bytes of the request: decoding and
// encoding it changes the signature.
//
// Verify compares in constant time and tries all secrets, so that its duration
// reveals nothing about them.
func Verify(header http.Header, body []byte, secrets ...Secret) Verification {
	return NewVerifier(secrets...).Verify(header, body)
}

// Verifier verifies many deliveries against the same secrets. It is faster than
// Verify, which prepares each secret again. It is safe for concurrent use.
type Verifier struct {
	secrets []Secret
	hashes  []sync.Pool // for each secret, of hash.Hash with its key
}

// NewVerifier returns a Verifier for the secrets, except zero ones.
func NewVerifier(secrets ...Secret) *Verifier {
	v := &Verifier{secrets: slices.DeleteFunc(slices.Clone(secrets), Secret.IsZero)}
	v.hashes = make([]sync.Pool, len(v.secrets))
	for i, s := range v.secrets {
		v.hashes[i].New = func() any { return hmac.New(sha256.New, []byte(s.key())) }
	}
	return v
}

// Checks reports whether the Verifier was made for exactly these secrets.
func (v *Verifier) Checks(secrets []Secret) bool { return slices.Equal(v.secrets, secrets) }

// matches reports whether a signature was made with the i-th secret.
func (v *Verifier) matches(i int, signature, body []byte) bool {
	h := v.hashes[i].Get().(hash.Hash) //nolint:forcetypeassert // see NewVerifier
	defer v.hashes[i].Put(h)
	h.Reset()
	h.Write(body)
	var sum [sha256.Size]byte
	return hmac.Equal(signature, h.Sum(sum[:0]))
}

// Verify is like the function Verify, for the secrets of the Verifier.
func (v *Verifier) Verify(header http.Header, body []byte) Verification {
	signature, signed := signatureOf(header)
	switch algorithm := header.Get(HeaderAlgorithm); {
	case len(v.secrets) == 0:
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
	for i, s := range v.secrets {
		if v.matches(i, got[:], body) {
			result = Verification{Verdict: Valid, Secret: s.Fingerprint()}
		}
	}
	if result.Verdict == Invalid {
		result.Reason = explain(got[:], body, v.secrets)
	}
	return result
}

// unchecked returns the result if no secret is known. It still recognizes the
// empty key, since the webhook's owner may believe that it is protected.
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

// explain returns the reason for an invalid signature. It recognizes common
// mistakes.
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

// signatureOf returns the signature, and whether there is one.
func signatureOf(header http.Header) (signature string, signed bool) {
	for _, name := range [...]string{HeaderSignature, HeaderSignaturePayload} {
		if values := header[name]; len(values) > 0 {
			// Joining several signatures makes them malformed.
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
