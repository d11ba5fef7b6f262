package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// finishTime is how long the rest of a change may take that an interruption
// must not leave half done.
const finishTime = 30 * time.Second

// finishing returns a context for that rest: it does not end with ctx.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishTime)
}

// RecreateError says that an integration was deleted, and its successor could
// not be created.
type RecreateError struct {
	// Deleted is what was there before.
	Deleted mender.Integration
	// Err is why the successor failed.
	Err error
	// Restored is the id under which the deleted one was put back, or "".
	Restored string
	// RestoreErr is why it was not put back.
	RestoreErr error
	// Now is what the server has; LookErr is why that is not known.
	Now     []mender.Integration
	LookErr error
}

// Error says exactly what is there now.
func (e *RecreateError) Error() string {
	text := fmt.Sprintf("%s %s was deleted, and could not be created again: %v", e.Deleted.Provider, e.Deleted.ID, afterLook(e.Err))
	switch {
	case e.Restored != "":
		return text + fmt.Sprintf("; it was put back as it was, with the new id %s", e.Restored)
	case e.RestoreErr != nil:
		text += fmt.Sprintf("; it could not be put back: %v", e.RestoreErr)
	}
	if e.LookErr != nil {
		return text + fmt.Sprintf("; what is there now can't be told: %v", e.LookErr)
	}
	return text + "; " + there(e.Now)
}

// Unwrap returns why the successor failed.
func (e *RecreateError) Unwrap() error { return e.Err }

// errSecretUnknown is why an integration is not put back.
var errSecretUnknown = errors.New("its secret is not known here")

// recreate deletes what is there and creates the entry. A secret that only
// this machine knows is kept before either.
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
			return p.putBack(ctx, s, old, known, err)
		}
		// Whose it is can't be told for certain; its secret is made ours.
		if err := p.o.API.ReplaceCredentials(ctx, id, s.credentials()); err != nil {
			return &RecreateError{Deleted: *s.there, Err: err, RestoreErr: errors.New("something else has its place")}
		}
	}
	s.NewID = id
	return c.settle(ctx, id)
}

// clear deletes an integration. If it cannot tell from the answer whether that
// happened, or was interrupted before the answer came, it looks.
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
		return fmt.Errorf("%w; it is not known whether %s was deleted: %v", err, id, lookErr)
	}
	for _, i := range now {
		if i.ID == id {
			return fmt.Errorf("%w; %s was still there afterwards", err, id)
		}
	}
	return nil
}

// afterLook returns err without the advice to look at the server, which has
// been done.
func afterLook(err error) error {
	var e *mender.Error
	if !errors.Is(err, mender.ErrOutcomeUnknown) || !errors.As(err, &e) {
		return err
	}
	short := *e
	short.Err = errors.Unwrap(e.Err)
	return &short
}

// arrived returns the id of an integration that is just what the entry asks
// for, after an attempt to create it whose outcome is open.
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

// putBack creates what was deleted, where its secret is known, and says what
// is there now.
func (p *Provisioner) putBack(ctx context.Context, s *Step, old mender.Integration, known bool, cause error) error {
	e := &RecreateError{Deleted: *s.there, Err: cause, RestoreErr: errSecretUnknown}
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

// remember keeps for a webhook that was put back what was kept for it before.
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
