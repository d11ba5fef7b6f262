package integrations

import (
	"context"
	"errors"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// engine executes plans for the account in the settings.
type engine struct {
	*provision.Provisioner
	client  *mender.Client
	secrets *secret.Webhooks
}

// newEngine returns an engine with the settings' client and secrets.
func newEngine(a *cli.App, noStore bool, o provision.Options) (*engine, error) {
	client, set, err := a.Connect()
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
	o.API, o.Secrets = adopting{client, a}, account
	o.ServerTime = func(ctx context.Context) (time.Time, error) { return serverTime(ctx, client) }
	o.Claims, _ = mender.ParseClaims(set.Token.Value) // none if the token is not from Mender
	return &engine{provision.New(o), client, account}, nil
}

// adopting is an API client that, when it lists the integrations, also assigns
// secrets to the account that older versions stored without an account.
type adopting struct {
	*mender.Client
	a *cli.App
}

func (c adopting) Integrations(ctx context.Context) ([]mender.Integration, error) {
	return c.a.Integrations(ctx, c.Client)
}

// serverTime returns the server's time, or an error if the server does not tell it. This
// machine's clock must not decide which webhooks have expired.
func serverTime(ctx context.Context, client *mender.Client) (time.Time, error) {
	now, err := client.ServerTime(ctx)
	if _, known := client.ClockSkew(); err == nil && !known {
		err = cli.Failf(fault.Failed, "the server's time is unknown: its responses have no Date header")
	}
	return now, err
}

// printer returns the printer of a command that prints ids or, with --dry-run, its plan.
func printer(a *cli.App, dryRun bool) (*output.Printer, error) {
	if dryRun {
		return a.PrinterOf(output.Table, output.JSON, output.JSONL, output.YAML)
	}
	return a.Printer()
}

// one executes a plan that has only one step, and returns the step.
func (e *engine) one(ctx context.Context, plan *provision.Plan) (provision.Step, error) {
	done, err := e.Apply(ctx, plan)
	return done.Steps[0], err
}

// unkept adds a hint to err if the server completed the change, but the secret
// could not be stored afterwards.
func unkept(err error, hint string) error {
	var keep *provision.KeepError
	if errors.As(err, &keep) {
		return cli.Hinted(err, "%s", hint)
	}
	return err
}
