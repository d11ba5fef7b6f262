package provision

import (
	"context"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// API is the part of Mender's API that plans use; *mender.Client implements it.
type API interface {
	Integrations(ctx context.Context) ([]mender.Integration, error)
	CreateIntegration(ctx context.Context, n mender.NewIntegration) (id string, err error)
	ReplaceCredentials(ctx context.Context, id string, c mender.Credentials) error
	DeleteIntegration(ctx context.Context, id string) error
}

// Secrets stores the secrets of an account's webhooks on this machine, and
// fingerprints of the secrets that were set on the server. *secret.Webhooks
// implements it, and documents the methods.
type Secrets interface {
	Stores() bool
	Check(ctx context.Context) error
	Stored(ctx context.Context, id string) (webhook.Secret, error)
	Keep(ctx context.Context, id string, s webhook.Secret, origin secret.Origin) (secret.Kept, error)
	ForgetOld(ctx context.Context, id string) error
	Forget(ctx context.Context, id string) error
	Compare(ctx context.Context, id string, s webhook.Secret) (secret.Drift, error)
	SetApplied(ctx context.Context, id string, s webhook.Secret) error
	ForgetApplied(ctx context.Context, id string) error
}

// Options are the dependencies of a Provisioner, and the changes that it may
// make.
type Options struct {
	API     API
	Secrets Secrets
	// Claims are the token's claims, which show the kind of server and the plan.
	Claims mender.Claims
	// ServerTime returns the time by the server's clock. Only EphemeralPlan requires
	// it.
	ServerTime func(context.Context) (time.Time, error)
	// Prune deletes integrations that the file does not name.
	Prune bool
	// AssumeSecretUnchanged assumes that the server's secret is current if this
	// machine has no record of it.
	AssumeSecretUnchanged bool
	// AllowRecreate lets Apply delete an integration to create another in its
	// place.
	AllowRecreate bool
	// Progress, if not nil, is called after each step that changed something.
	Progress func(Step)
}

// Provisioner makes and executes plans. It is not safe for concurrent use.
type Provisioner struct{ o Options }

// New returns a Provisioner.
func New(o Options) *Provisioner { return &Provisioner{o: o} }
