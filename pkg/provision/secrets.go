package provision

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretPlan is a step's plan for a webhook's secret.
type secretPlan struct {
	// value is sent with the credentials; zero if there is no secret, or if it
	// has yet to be generated.
	value webhook.Secret
	// generate is set if a secret must be generated.
	generate bool
	// missing is set if the file expects a stored secret, and there is none.
	missing bool
	// changes contains the change of the secret, if there is one.
	changes []Change
}

// The states of the server's secret in a plan.
const (
	secretNone    = "none"
	secretSet     = "set"
	secretUnknown = "unknown"
)

// secretField is the secret's name in the API.
const secretField = "secret"

// planSecret finds the entry's secret and compares it with the server's, as far
// as that is known.
func (p *Provisioner) planSecret(ctx context.Context, e entry, there *mender.Integration) (secretPlan, error) {
	s := secretPlan{value: e.secret.value}
	if e.secret.kind == stored || e.secret.kind == generate {
		known, err := p.storedFor(ctx, there)
		if err != nil {
			return s, err
		}
		s.value = known
		s.generate = known.IsZero() && e.secret.kind == generate
		s.missing = known.IsZero() && e.secret.kind == stored
	}
	from, err := p.serverSecret(ctx, e, there, s)
	if err != nil || from == "" {
		return s, err
	}
	if to := e.secret.String(); from != to || !isWebhook(there) {
		s.changes = []Change{{Field: secretField, From: from, To: to}}
	}
	return s, nil
}

// storedFor returns the secret stored for a webhook or, if there is none, the
// secret of a run that ended halfway.
func (p *Provisioner) storedFor(ctx context.Context, there *mender.Integration) (webhook.Secret, error) {
	if isWebhook(there) {
		if s, err := p.o.Secrets.Stored(ctx, there.ID); err != nil || !s.IsZero() {
			return s, err
		}
	}
	return p.o.Secrets.Stored(ctx, secret.Unconfirmed)
}

// serverSecret returns the state of the server's secret: none, set, unknown, or
// "" if it matches the entry's.
func (p *Provisioner) serverSecret(ctx context.Context, e entry, there *mender.Integration, s secretPlan) (string, error) {
	switch {
	case !isWebhook(there) || !there.Credentials.HasSecret():
		return secretNone, nil
	case e.secret.kind == none:
		return secretSet, nil
	}
	drift := secret.Unknown
	if !s.value.IsZero() {
		var err error
		if drift, err = p.o.Secrets.Compare(ctx, there.ID, s.value); err != nil {
			return "", err
		}
	}
	switch {
	case drift == secret.Changed:
		return secretSet, nil
	case drift == secret.Unknown && !p.o.AssumeSecretUnchanged:
		return secretUnknown, nil
	}
	return "", nil
}

// knownCredentials returns a webhook's credentials, with the secret if that is
// known, so that the webhook can be restored.
func (p *Provisioner) knownCredentials(ctx context.Context, e entry, there mender.Integration) (c mender.Credentials, known bool, err error) {
	c = there.Credentials
	if !isWebhook(&there) {
		return c, false, nil
	}
	if !c.HasSecret() {
		return c, true, nil
	}
	kept, err := p.o.Secrets.Stored(ctx, there.ID)
	if err != nil {
		return c, false, err
	}
	for _, try := range []struct {
		secret  webhook.Secret
		trusted bool // even without a fingerprint
	}{{e.secret.value, p.o.AssumeSecretUnchanged}, {kept, true}} {
		if try.secret.IsZero() {
			continue
		}
		drift, err := p.o.Secrets.Compare(ctx, there.ID, try.secret)
		if err != nil {
			return c, false, err
		}
		if drift == secret.Same || drift == secret.Unknown && try.trusted {
			return mender.HTTP(c.HTTP.URL, try.secret.Hex()), true, nil
		}
	}
	return c, false, nil
}

// isWebhook reports whether an integration exists and is a webhook.
func isWebhook(there *mender.Integration) bool {
	return there != nil && there.Provider == mender.ProviderWebhook && there.Credentials.HTTP != nil
}
