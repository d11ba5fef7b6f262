package receiver

import (
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Every reason has a text for people. An unknown one, of a later version, is shown
// as it is named.
func TestReasonsInPlainWords(t *testing.T) {
	for _, reason := range []webhook.Reason{
		webhook.WrongSecretOrAlteredBody, webhook.SecretAsText, webhook.EmptySecretUsed, webhook.MalformedSignature,
		webhook.UnknownAlgorithm, methodNotAllowed, pathNotFound, bodyTooLarge, bodyTooSlow, bodyBroken, notAnEvent, tooBusy,
	} {
		if text := Describe(webhook.Verification{Verdict: webhook.Invalid, Reason: reason}); text == "" || strings.Contains(text, string(reason)) {
			t.Errorf("%s: %q", reason, text)
		}
	}
	for v, want := range map[webhook.Verification]string{
		{Verdict: webhook.Valid}:                            "",
		{Verdict: webhook.Unchecked}:                        "",
		{Verdict: webhook.Unsigned}:                         "no signature: the webhook has no secret, or the sender is not Mender",
		{Verdict: webhook.Invalid, Reason: "of-the-future"}: "of the future",
	} {
		if got := Describe(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
