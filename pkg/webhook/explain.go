package webhook

import "net/http"

// Explain returns a hint with the next step for a delivery whose signature is not
// valid. v is the result of Verify for the other arguments.
func Explain(v Verification, header http.Header, body []byte, secrets ...Secret) string {
	switch v.Reason {
	case SecretAsText:
		return "decode the secret before using it: the key is the decoded bytes, not the hexadecimal text"
	case EmptySecretUsed:
		return "set a secret with `mender-webhooks update`: the webhook was created with an empty one"
	case MalformedSignature:
		return "pass the whole signature: it has 64 hexadecimal digits"
	case UnknownAlgorithm:
		return "Mender signs only with " + Algorithm
	}
	if alteration := FindAlteration(header, body, secrets...); alteration != "" {
		return alteration.Fix()
	}
	return "check the secret, and that the payload is the raw request body: not decoded and encoded again, and not copied from Mender's log"
}
