package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"net/http"
	"slices"
	"sync"
)

// Verifier checks signatures as Verify does, and keeps each secret's HMAC
// ready for the next one, which halves the time. It is made with NewVerifier,
// and safe for concurrent use.
type Verifier struct {
	secrets []Secret
	ready   []sync.Pool // of *keyed, one for each secret
}

// keyed is an HMAC under a secret, and room for its sum.
type keyed struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

// NewVerifier makes a Verifier for the secrets. Zero secrets are passed over;
// without any other, Verify can tell no more than Unchecked.
func NewVerifier(secrets ...Secret) *Verifier {
	known := slices.DeleteFunc(slices.Clone(secrets), Secret.IsZero)
	return &Verifier{secrets: known, ready: make([]sync.Pool, len(known))}
}

// Verify checks the signature of a delivery against each of the secrets, as
// the function of that name does.
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
		if v.matches(i, got, body) {
			result = Verification{Verdict: Valid, Secret: s.Fingerprint()}
		}
	}
	if result.Verdict == Invalid {
		result.Reason = explain(got[:], body, v.secrets)
	}
	return result
}

// matches compares in constant time.
func (v *Verifier) matches(i int, got [sha256.Size]byte, body []byte) bool {
	k, _ := v.ready[i].Get().(*keyed)
	if k == nil {
		k = &keyed{hash: hmac.New(sha256.New, []byte(v.secrets[i].key()))}
	}
	defer v.ready[i].Put(k)
	k.hash.Reset()
	k.hash.Write(body)
	return hmac.Equal(got[:], k.hash.Sum(k.sum[:0]))
}
