package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// finishTime limits the rest of a change that an interruption must not leave half
// done.
const finishTime = 30 * time.Second

// finishing returns a context for the rest of such a change; it does not end with
// ctx.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishTime)
}

// recreateError reports that an integration was deleted, and that its replacement
// could not be created.
type recreateError struct {
	// Deleted is the integration that was deleted.
	Deleted mender.Integration
	// Err is why the replacement could not be created; it determines the error's
	// kind.
	Err error
	// Restored is the new id of the restored integration, or "".
	Restored string
	// RestoreErr is why it was not restored.
	RestoreErr error
	// Now lists the integrations that exist now; LookErr is set if they could not
	// be listed.
	Now     []mender.Integration
	LookErr error
}

// Error describes what exists now.
func (e *recreateError) Error() string {
	text := fmt.Sprintf("%s %s was deleted, but its replacement could not be created: %v", e.Deleted.Provider, e.Deleted.ID, afterLook(e.Err))
	switch {
	case e.Restored != "":
		return text + fmt.Sprintf("; it was restored, with the new id %s", e.Restored)
	case e.RestoreErr != nil:
		text += fmt.Sprintf("; it could not be restored: %v", afterLook(e.RestoreErr))
	}
	if e.LookErr != nil {
		return text + fmt.Sprintf("; the current state of the server is unknown: %v", e.LookErr)
	}
	return text + "; " + describe(e.Now)
}

// Unwrap returns why the replacement failed.
func (e *recreateError) Unwrap() error { return e.Err }

// errSecretUnknown reports why an integration could not be restored.
var errSecretUnknown = errors.New("its secret is not known on this machine")

// recreate deletes an integration and creates the entry. It first stores a secret
// that only this machine knows.
func (p *Provisioner) recreate(ctx context.Context, s *Step) error {
	old := *s.there
	credentials, known, err := p.knownCredentials(ctx, s.entry, old)
	if err != nil {
		return err
	}
	old.Credentials = credentials
	c, err := p.begin(ctx, s, secret.Unconfirmed)
	if err != nil {
		return err
	}
	if err := p.clear(ctx, s.ID); err != nil {
		return err
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	id, err := p.o.API.CreateIntegration(ctx, s.integration())
	if err != nil {
		if id = p.arrived(ctx, s, err); id == "" {
			return p.notRecreated(ctx, c, old, known, err)
		}
		// Someone else may have created it, so set the secret again.
		if err := p.o.API.ReplaceCredentials(ctx, id, s.credentials()); err != nil {
			return fault.WithHint(&recreateError{Deleted: *s.there, Err: err, RestoreErr: errors.New("another integration has taken its place")}, recreateHint)
		}
	}
	s.NewID = id
	return c.settle(ctx, id)
}

// clear deletes an integration. If the response does not show whether that
// happened, or an interruption came before the response, it lists the
// integrations to find out.
func (p *Provisioner) clear(ctx context.Context, id string) error {
	err := p.o.API.DeleteIntegration(ctx, id)
	switch {
	case err == nil, errors.Is(err, mender.ErrNotFound):
		return nil
	case !errors.Is(err, mender.ErrUnreachable) && ctx.Err() == nil:
		return err // the server refused
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	now, lookErr := p.o.API.Integrations(ctx)
	if lookErr != nil {
		return fmt.Errorf("%w; cannot tell whether %s was deleted: %w", err, id, lookErr)
	}
	for _, i := range now {
		if i.ID == id {
			return fmt.Errorf("%w; %s was still there afterwards", err, id)
		}
	}
	return nil
}

// afterLook returns err without the advice to look at the server, since Apply has
// already looked.
func afterLook(err error) error {
	var e *mender.Error
	if !errors.Is(err, mender.ErrOutcomeUnknown) || !errors.As(err, &e) {
		return err
	}
	short := *e
	short.Err = errors.Unwrap(e.Err)
	return &short
}

// arrived returns the id of an integration that matches the entry, or "". It is
// called after an attempt to create it with an unknown outcome or a conflict.
func (p *Provisioner) arrived(ctx context.Context, s *Step, err error) string {
	if !errors.Is(err, mender.ErrOutcomeUnknown) && !errors.Is(err, mender.ErrConflict) {
		return ""
	}
	now, err := p.o.API.Integrations(ctx)
	if err != nil {
		return ""
	}
	for _, i := range now {
		if changes, _ := p.compare(s.entry, &i); len(changes) == 0 {
			return i.ID
		}
	}
	return ""
}

// recreateHint is the next step after a recreateError.
const recreateHint = "fix the cause, then run apply again"

// notRecreated restores the deleted integration, and removes the secret of its
// replacement unless the server may have it.
func (p *Provisioner) notRecreated(ctx context.Context, c *secretChange, old mender.Integration, known bool, cause error) error {
	err := fault.WithHint(p.restore(ctx, c.step, old, known, cause), recreateHint)
	if refused(Create, cause) {
		return c.rollBack(ctx, err)
	}
	return err
}

// restore creates the deleted integration again if its secret is known. The
// error describes what exists now.
func (p *Provisioner) restore(ctx context.Context, s *Step, old mender.Integration, known bool, cause error) error {
	e := &recreateError{Deleted: *s.there, Err: cause, RestoreErr: errSecretUnknown}
	if known {
		e.Restored, e.RestoreErr = p.o.API.CreateIntegration(ctx, mender.NewIntegration{
			Provider: old.Provider, Credentials: old.Credentials, Description: old.Description, Scopes: old.Scopes,
		})
	}
	if e.Restored != "" {
		if err := p.remember(ctx, s.ID, e.Restored, old); err != nil {
			return errors.Join(e, &KeepError{ID: e.Restored, Err: err})
		}
		return e
	}
	e.Now, e.LookErr = p.o.API.Integrations(ctx)
	return e
}

// remember moves the stored secret of a restored webhook to its new id.
func (p *Provisioner) remember(ctx context.Context, before, now string, old mender.Integration) error {
	if !isWebhook(&old) || old.Credentials.HTTP.Secret == "" {
		return nil
	}
	value, err := webhook.ParseSecret(old.Credentials.HTTP.Secret)
	if err != nil {
		return err
	}
	kept, err := p.o.Secrets.Stored(ctx, before)
	if err != nil {
		return err
	}
	if !kept.IsZero() && before != now {
		if _, err := p.o.Secrets.Keep(ctx, now, kept, secret.Given); err != nil {
			return err
		}
		if err := p.o.Secrets.Forget(ctx, before); err != nil {
			return err
		}
	}
	return p.o.Secrets.SetApplied(ctx, now, value)
}
