package receiver

import (
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Describe says in plain words why a request was not accepted, with the next step,
// if there is one. It returns "" for a request that has nothing wrong.
func Describe(v webhook.Verification) string {
	switch v.Reason {
	case webhook.WrongSecretOrAlteredBody:
		return "wrong secret or altered body"
	case webhook.SecretAsText:
		return "signed with the secret's text instead of its bytes: decode the hex"
	case webhook.EmptySecretUsed:
		return "signed with an empty secret, as anyone can: set one with `mender-webhooks update`"
	case webhook.MalformedSignature:
		return "malformed signature: must be 64 hexadecimal digits"
	case webhook.UnknownAlgorithm:
		return "unknown algorithm: " + webhook.HeaderAlgorithm + " must be " + webhook.Algorithm
	case methodNotAllowed:
		return "method not allowed: only POST is accepted"
	case pathNotFound:
		return "no webhook at this path: correct the webhook's URL, or the path of the listener"
	case bodyTooLarge:
		return "body too large: see --max-body"
	case bodyTooSlow:
		return "the body arrived too slowly"
	case bodyBroken:
		return "the connection broke off in the body"
	case notAnEvent:
		return "not an event: the body must be a JSON object with an id and a type"
	case tooBusy:
		return "too busy with other large bodies: send fewer at once"
	case "":
		if v.Verdict == webhook.Unsigned {
			return "no signature: the webhook has no secret, or the sender is not Mender"
		}
	}
	return strings.ReplaceAll(string(v.Reason), "-", " ")
}

// Hint returns the next step for a request that was not accepted, or "" if Describe
// names it.
func Hint(v webhook.Verification) string {
	switch {
	case v.Reason == webhook.WrongSecretOrAlteredBody:
		return "check that this is the webhook's current secret, and that nothing changes the body on the way; " +
			"`mender-webhooks verify` finds out more from a request that listen --save saved"
	case v.Verdict == webhook.Unsigned:
		return "if it is Mender, set the webhook's secret with `mender-webhooks update`"
	}
	return ""
}
