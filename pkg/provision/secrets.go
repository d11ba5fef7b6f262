package provision

import (
	"context"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// secretPlan is what is to become of an entry's secret.
type secretPlan struct {
	// value is sent whenever the credentials are; "" is none, or one that is
	// still to be generated.
	value string
	// generate says that there is none yet.
	generate bool
	// missing says that it should be stored, and is not.
	missing bool
	// changes has the secret's change, or nothing.
	changes []Change
}

// What a plan says of a secret that the server has.
const (
	secretNone    = "none"
	secretSet     = "set"
	secretUnknown = "unknown"
)

// secretField is what the API calls it.
func secretField(p mender.Provider) string {
	switch p {
	case mender.ProviderIoTHub:
		return "connection_string"
	case mender.ProviderIoTCore:
		return "secret_access_key"
	}
	return "secret"
}

// lower is a webhook's secret in the case of digits in which it is compared.
func lower(s webhook.Secret) string { return strings.ToLower(s.Hex()) }

// planSecret finds the entry's secret, and compares it with the server's as
// far as that is known.
func (p *Provisioner) planSecret(ctx context.Context, e entry, there *mender.Integration) (secretPlan, error) {
	s := secretPlan{value: e.secret.value}
	if e.secret.kind == stored || e.secret.kind == generate {
		known, err := p.storedFor(ctx, e, there)
		if err != nil {
			return s, err
		}
		s.value = known.Hex()
		s.generate = known.IsZero() && e.secret.kind == generate
		s.missing = known.IsZero() && e.secret.kind == stored
	}
	from, err := p.serverSecret(ctx, e, there, s)
	if err != nil || from == "" {
		return s, err
	}
	to := e.secret.String()
	if from != to || !own(e, there) {
		s.changes = []Change{{Field: secretField(e.provider), From: from, To: to}}
	}
	return s, nil
}

// storedFor returns the secret stored for a webhook; for one that is still to
// be created, that of a run that ended halfway.
func (p *Provisioner) storedFor(ctx context.Context, e entry, there *mender.Integration) (webhook.Secret, error) {
	if own(e, there) {
		if s, err := p.o.Secrets.Stored(ctx, there.ID); err != nil || !s.IsZero() {
			return s, err
		}
	}
	return p.o.Secrets.Stored(ctx, Pending)
}

// serverSecret says what the server has in place of a secret: none, set or
// unknown, or "" where it has the same.
func (p *Provisioner) serverSecret(ctx context.Context, e entry, there *mender.Integration, s secretPlan) (string, error) {
	switch {
	case !own(e, there) || !there.Credentials.HasSecret():
		return secretNone, nil
	case e.secret.kind == none:
		return secretSet, nil
	case e.provider == mender.ProviderIoTHub && !sameConnection(s.value, there.Credentials.ConnectionString):
		return "", nil // compare has told
	case s.generate || s.missing:
		if p.o.AssumeSecretUnchanged {
			return "", nil
		}
		return secretUnknown, nil
	}
	drift, err := p.o.Secrets.Compare(ctx, there.ID, Applied(e.provider, s.value))
	switch {
	case err != nil:
		return "", err
	case drift == Changed:
		return secretSet, nil
	case drift == Unknown && !p.o.AssumeSecretUnchanged:
		return secretUnknown, nil
	}
	return "", nil
}

// knownCredentials returns what an integration has now, secret included,
// where it is known here: in order to put it back.
func (p *Provisioner) knownCredentials(ctx context.Context, e entry, there mender.Integration) (mender.Credentials, bool, error) {
	c := there.Credentials
	if there.Provider == mender.ProviderWebhook && c.HTTP != nil && !c.HasSecret() {
		return c, true, nil
	}
	if secret := e.secret.value; e.provider == there.Provider && secret != "" {
		drift, err := p.o.Secrets.Compare(ctx, there.ID, Applied(there.Provider, secret))
		if err != nil {
			return c, false, err
		}
		if drift == Same || drift == Unknown && p.o.AssumeSecretUnchanged {
			return withSecret(c, secret)
		}
	}
	if there.Provider != mender.ProviderWebhook {
		return c, false, nil
	}
	kept, err := p.o.Secrets.Stored(ctx, there.ID)
	if err != nil || kept.IsZero() {
		return c, false, err
	}
	// It was kept as this webhook's; only what was applied since can tell
	// that it is not.
	drift, err := p.o.Secrets.Compare(ctx, there.ID, Applied(there.Provider, kept.Hex()))
	if err != nil || drift == Changed {
		return c, false, err
	}
	return withSecret(c, kept.Hex())
}

// withSecret puts a secret into credentials in which the server left it out.
func withSecret(c mender.Credentials, secret string) (mender.Credentials, bool, error) {
	switch {
	case c.HTTP != nil:
		whole := *c.HTTP
		whole.Secret = secret
		c.HTTP = &whole
	case c.AWS != nil:
		whole := *c.AWS
		whole.SecretAccessKey = secret
		c.AWS = &whole
	case c.ConnectionString != "" && sameConnection(secret, c.ConnectionString):
		c.ConnectionString = secret
	default:
		return c, false, nil
	}
	return c, true, nil
}

// credentials are what an entry sends, with its secret.
func (e entry) credentials(secret string) mender.Credentials {
	switch e.provider {
	case mender.ProviderIoTHub:
		return mender.Credentials{Type: mender.CredentialsSAS, ConnectionString: secret}
	case mender.ProviderIoTCore:
		return mender.Credentials{Type: mender.CredentialsAWS, AWS: &mender.AWSCredentials{
			AccessKeyID: e.accessKeyID, SecretAccessKey: secret, Region: e.region, DevicePolicyName: e.devicePolicyName,
		}}
	}
	return mender.HTTP(e.url, secret)
}
