package integrations

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// keepBeside writes a new secret into the --secret-out file above the ones it
// holds, so that a receiver that reads it takes all of them. A file that is
// not there yet is left to the caller.
func (s *newSecretFlags) keepBeside(hook webhook.Secret) (done bool, err error) {
	s.outUndo, err = config.AddToSecretFile(s.out, hook)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, cli.Hinted(cli.Usagef("--secret-out: %w", err), "name the file of secrets that listen reads, or a new one")
	}
	return true, nil
}

// letListenersSee waits where a secret is changed beside a listener.
func (s *newSecretFlags) letListenersSee(ctx context.Context) error {
	if !s.rotate {
		return nil
	}
	timer := time.NewTimer(cli.RotateWait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// takeBack makes the --secret-out file what it was before.
func (s *newSecretFlags) takeBack() {
	switch {
	case s.out == "":
	case s.outUndo != nil:
		_ = s.outUndo() // a secret too many does no harm
	default:
		_ = os.Remove(s.out)
	}
}

// tellOld says what became of the secret before.
func (s *newSecretFlags) tellOld(a *cli.App, c secretChange) {
	switch {
	case !s.rotate:
	case s.outUndo != nil:
		a.Say("the old secret is still in %s: remove its line once deliveries are signed with the new one", s.out)
	case c.before != nil:
		a.Say("the old secret is kept beside it; `mender-webhooks secret forget --old` ends that")
	default:
		a.Warn("the old secret was not known here, so it is not kept beside the new one: deliveries that were on their way may be refused")
	}
	if _, set := a.Env(config.EnvWebhookSecret); s.rotate && set {
		a.Warn("%s is set: a listener that has it does not read the store, and needs the new secret", config.EnvWebhookSecret)
	}
}

// forgetApplied is before a change of credentials: see app.beforeChange.
// Without the store, what is in it is left to itself.
func (s *newSecretFlags) forgetApplied(ctx context.Context, a *cli.App, set *config.Settings, id string) error {
	err := beforeChange(ctx, a, set, id)
	if s.noStore {
		return nil
	}
	return err
}

// noteApplied lets the next `apply` know the secret that the server has.
func (s *newSecretFlags) noteApplied(ctx context.Context, a *cli.App, set *config.Settings, id string, hook webhook.Secret) {
	if !s.noStore {
		afterChange(ctx, a, set, id, hook)
	}
}
