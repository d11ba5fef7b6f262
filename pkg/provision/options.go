package provision

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// API is what is asked of the server; *mender.Client has it.
type API interface {
	Integrations(ctx context.Context) ([]mender.Integration, error)
	CreateIntegration(ctx context.Context, n mender.NewIntegration) (id string, err error)
	ReplaceCredentials(ctx context.Context, id string, c mender.Credentials) error
	DeleteIntegration(ctx context.Context, id string) error
}

// Pending is the name under which Secrets keeps a webhook's secret while the
// server has not given the webhook an id.
const Pending = "pending"

// Secrets is what this machine keeps for the integrations of a server: the
// webhooks' secrets, and fingerprints of credentials that were applied.
type Secrets interface {
	// Stored returns a webhook's secret; the zero Secret is none.
	Stored(ctx context.Context, id string) (webhook.Secret, error)
	// Keep stores a webhook's secret. One that was there before is kept
	// beside it, for receivers that still need it.
	Keep(ctx context.Context, id string, s webhook.Secret, generated bool) error
	// Forget removes a webhook's secret; none is no error.
	Forget(ctx context.Context, id string) error
	// Compare compares credentials with those of the last SetApplied.
	Compare(ctx context.Context, id, credentials string) (Drift, error)
	// SetApplied keeps a fingerprint of credentials that the server has.
	SetApplied(ctx context.Context, id, credentials string) error
	// ForgetApplied makes an integration's credentials unknown again; that
	// they are already is no error.
	ForgetApplied(ctx context.Context, id string) error
}

// Drift is how a secret compares with the one that was last applied.
type Drift string

// What a comparison can come to.
const (
	Unknown Drift = "unknown"
	Same    Drift = "same"
	Changed Drift = "changed"
)

// Applied is the text whose fingerprint Secrets keeps: what was applied to an
// integration of a provider. For a webhook it makes no difference in which
// case the secret's digits are.
func Applied(p mender.Provider, secret string) string {
	if s, err := webhook.ParseSecret(secret); err == nil && p == mender.ProviderWebhook {
		secret = lower(s)
	}
	return string(p) + "\n" + secret
}

// Options say what a Provisioner works with, and what it may do.
type Options struct {
	API     API
	Secrets Secrets
	// Claims are those of the token, which tell what kind of server it is.
	Claims mender.Claims
	// Prune removes what the file does not name.
	Prune bool
	// AssumeSecretUnchanged takes a secret whose fingerprint is not known for
	// the one that the server has.
	AssumeSecretUnchanged bool
	// AllowRecreate lets Apply delete an integration in order to create
	// another in its place.
	AllowRecreate bool
	// Progress, if not nil, is told of each step that is done.
	Progress func(Step)
}

// Provisioner plans and applies. It is not safe for concurrent use.
type Provisioner struct{ o Options }

// New makes a Provisioner.
func New(o Options) *Provisioner { return &Provisioner{o: o} }
