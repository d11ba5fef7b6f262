package webhook

import (
	"bytes"
	"net/http"
)

// Explain returns the next step for a delivery whose signature is not valid,
// as a hint. The arguments are those of Verify, and what it returned.
func Explain(v Verification, header http.Header, body []byte, secrets ...Secret) string {
	switch v.Reason {
	case SecretAsText:
		return "the sender used the secret's text as the key; Mender uses the bytes that its hexadecimal digits stand for"
	case EmptySecretUsed:
		return "it was signed under an empty key: the webhook was set up with an empty secret; give it one with `mender-webhooks update`"
	case MalformedSignature:
		return "a signature is 64 hexadecimal digits"
	case UnknownAlgorithm:
		return "Mender signs with " + Algorithm + " alone"
	}
	trimmed := bytes.TrimRight(body, "\r\n")
	if len(trimmed) < len(body) && Verify(header, trimmed, secrets...).Verdict == Valid {
		return "without the newline at its end it is valid: an editor or echo added it; save the raw bytes"
	}
	return "the payload must be the raw bytes, not decoded and encoded again, nor copied from Mender's log; or the secret is another one"
}
