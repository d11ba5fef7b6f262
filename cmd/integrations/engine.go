package integrations

import (
	"context"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// engine is what the commands that change integrations work with.
type engine struct {
	*provision.Provisioner
	client  *mender.Client
	secrets *secret.Account
}

// newEngine reads the settings. What o leaves out is filled in.
func newEngine(a *cli.App, noStore bool, o provision.Options) (*engine, error) {
	set, err := a.Settings()
	if err != nil {
		return nil, err
	}
	client, err := a.Client(set)
	if err != nil {
		return nil, err
	}
	account, err := a.Account(set)
	if err != nil {
		return nil, err
	}
	if noStore {
		account = account.WithoutStore()
	}
	o.API, o.Secrets = client, account
	o.Claims, _ = mender.ParseClaims(set.Token.Value) // a token that is not Mender's has no claims
	return &engine{provision.New(o), client, account}, nil
}

// one executes a plan of one step, and returns what was done.
func (e *engine) one(ctx context.Context, plan *provision.Plan) (provision.Step, error) {
	done, err := e.Apply(ctx, plan)
	return done.Steps[0], err
}

// unkept adds the next step to the error of a store that failed after the
// server had done everything.
func unkept(err error, format string, args ...any) error {
	var keep *provision.KeepError
	if errors.As(err, &keep) {
		return cli.Hinted(err, format, args...)
	}
	return err
}
