package integrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// keepCreated keeps the secret of a webhook that was just created. A webhook
// whose secret nobody knows can be given another.
func (s *newSecretFlags) keepCreated(ctx context.Context, a *cli.App, set *config.Settings, id string, hook webhook.Secret) (*secret.Saved, error) {
	if !s.stores(hook) {
		return nil, nil
	}
	// Interrupted or not, the webhook is there now.
	saved, err := a.Store(set).Set(context.WithoutCancel(ctx), secret.Entry{
		Info: secret.Info{Key: cli.WebhookKey(set, id), Origin: s.origin()}, Value: hook.Hex(),
	})
	if err == nil {
		return &saved, nil
	}
	hint := "the webhook " + id + " was created all the same"
	switch {
	case s.out != "":
		hint += "; its secret is in " + s.out
	case s.generated:
		hint += "; nobody knows its secret: give it another with `mender-webhooks update --generate-secret`"
	}
	return nil, cli.Hinted(err, "%s", hint)
}

// keepUnconfirmed keeps a secret under a name of its own where nothing says
// whether the server took it, and under which id.
func (s *newSecretFlags) keepUnconfirmed(ctx context.Context, a *cli.App, set *config.Settings, hook webhook.Secret, cause error) error {
	if !s.stores(hook) || s.out != "" {
		return cause
	}
	name := "unconfirmed-" + hook.Fingerprint()
	if _, err := a.Store(set).Set(context.WithoutCancel(ctx), secret.Entry{
		Info: secret.Info{Key: cli.WebhookKey(set, name), Origin: s.origin()}, Value: hook.Hex(),
	}); err != nil {
		return cli.Also(cause, err)
	}
	return cli.Hinted(cause, "the secret is kept as %s. If `mender-webhooks list` shows the webhook: `mender-webhooks secret show %s | mender-webhooks secret set --secret-file -`; "+
		"then, or if not: `mender-webhooks secret forget %s`", name, name, name)
}

// secretChange is what the store is told of an update, before and after the
// server is: a listener that reads the store takes the old and the new secret
// in between.
type secretChange struct {
	app    *cli.App
	set    *config.Settings
	key    secret.Key
	before *secret.Entry // nil where none was kept
	forget bool          // the webhook has no secret from now on
	saved  *secret.Saved // nil where the store is not concerned
	both   bool          // the old secret stays beside the new one
}

// keepUpdated writes the new secret where it was asked for before the server
// is given it. again says that it is the one that is kept already.
func (s *newSecretFlags) keepUpdated(ctx context.Context, a *cli.App, set *config.Settings, id string, hook webhook.Secret, again bool) (secretChange, error) {
	c := secretChange{app: a, set: set, key: cli.WebhookKey(set, id), both: s.rotate}
	switch {
	case again:
		return c, nil
	case hook.IsZero():
		c.forget = !s.noStore
		_, err := a.Kept(set)
		if err != nil && c.forget {
			return c, s.unkept(err)
		}
		return c, nil
	}
	if err := s.keep(ctx, a, set, hook); err != nil || s.noStore {
		return c, err
	}
	before, err := a.Store(set).Get(ctx, c.key)
	switch {
	case err == nil:
		c.before = &before
	case !errors.Is(err, secret.ErrNotFound):
		return c, s.unkept(err)
	}
	saved, err := a.Store(set).Rotate(ctx, c.key, hook.Hex(), s.origin())
	if err != nil {
		return c, s.unkept(err)
	}
	c.saved = &saved
	return c, nil
}

// unkept is the error of a store that fails before anything is sent. What keep
// wrote to a file is taken back.
func (s *newSecretFlags) unkept(err error) error {
	s.takeBack()
	return cli.Hinted(fmt.Errorf("nothing was sent: %w", err), "%s", s.storeHint(err))
}

// undo puts back what was kept before, where the server certainly did not take
// the new secret. Otherwise both stay.
func (c secretChange) undo(ctx context.Context, cause error) error {
	if c.saved == nil {
		return cause
	}
	if !certainlyRefused(cause) {
		return cli.Hinted(cause, "the server may have taken the new secret all the same: the old and the new one are kept on this machine, and `listen` takes both; try the update again")
	}
	return c.putBack(ctx, cause)
}

// putBack makes the store what it was, where the server was not given the new
// secret.
func (c secretChange) putBack(ctx context.Context, cause error) error {
	if c.saved == nil {
		return cause
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if c.before != nil {
		_, err = c.app.Store(c.set).Set(ctx, *c.before)
	} else {
		err = c.app.Store(c.set).Delete(ctx, c.key)
	}
	if err != nil {
		return cli.Also(cause, fmt.Errorf("the store could not be put back: %w", err))
	}
	return cause
}

// finish leaves the new secret alone in the store.
func (c secretChange) finish(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	switch {
	case c.forget:
		err = c.app.ForgetSecret(ctx, c.set, c.key.Name)
	case c.saved != nil && !c.both:
		err = c.app.Store(c.set).ForgetOld(ctx, c.key)
	}
	if err != nil {
		return cli.Hinted(err, "the update itself went through")
	}
	return nil
}
