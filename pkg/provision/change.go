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

// KeepError reports that the change succeeded on the server, but this machine
// could not record the secret or its fingerprint. The next plan may therefore
// call the secret unknown.
type KeepError struct {
	// ID is the integration's id.
	ID  string
	Err error
}

// Error returns what failed on this machine.
func (e *KeepError) Error() string {
	return fmt.Sprintf("integration %s was changed on the server, but its secret could not be stored on this machine: %v", e.ID, e.Err)
}

// Unwrap returns the store's error.
func (e *KeepError) Unwrap() error { return e.Err }

// secretChange is a webhook's secret on its way to the server. The secret is
// stored before the server gets it, and removed again if the server refuses it.
type secretChange struct {
	secrets Secrets
	step    *Step
	// kept is the secret's entry in the store, named by the webhook's id or
	// unconfirmed.
	kept secret.Kept
	undo []func(context.Context) error
}

// begin writes the step's secret to the user's file and to the store, if they
// need it. name is the webhook's id, or secret.Unconfirmed. If begin fails, it
// undoes what it wrote.
func (p *Provisioner) begin(ctx context.Context, s *Step, name string) (*secretChange, error) {
	c := &secretChange{secrets: p.o.Secrets, step: s}
	if err := c.write(ctx, name); err != nil {
		return nil, c.rollBack(ctx, err)
	}
	return c, nil
}

func (c *secretChange) write(ctx context.Context, name string) error {
	s := c.step
	if s.secret.generate {
		s.secret.value, s.secret.generate = webhook.GenerateSecret(), false
	}
	if err := c.writeFile(); err != nil {
		return err
	}
	keep, err := c.needsStore(ctx)
	if err == nil && keep {
		if c.kept, err = c.secrets.Keep(ctx, name, s.secret.value, s.secretOrigin()); err == nil {
			s.Place = c.kept.Place
			if c.kept.Undo != nil {
				c.undo = append(c.undo, c.kept.Undo)
			}
		}
	}
	if err == nil && s.rotate {
		err = wait(ctx, secret.WatchWait)
	}
	if err == nil && s.ID != "" {
		err = c.secrets.ForgetApplied(ctx, s.ID)
	}
	if err != nil && ctx.Err() == nil {
		return unsent(c.step, err)
	}
	return err
}

// writeFile writes the secret to the user's file, if there is one.
func (c *secretChange) writeFile() error {
	s := c.step
	if s.out == "" {
		return nil
	}
	var undo func() error
	var err error
	if s.rotate {
		undo, s.BesideFile, err = secret.AddToFile(s.out, s.secret.value)
	} else {
		undo, err = secret.CreateFile(s.out, s.secret.value)
	}
	if err != nil {
		return fmt.Errorf("--secret-out: %w", err)
	}
	c.undo = append(c.undo, func(context.Context) error { return undo() })
	return nil
}

// needsStore reports whether the secret must be stored: because only this machine
// knows it, the user asked for it, or the old one is stored.
func (c *secretChange) needsStore(ctx context.Context) (bool, error) {
	if c.step.secret.value.IsZero() {
		return false, nil
	}
	kind := c.step.entry.secret.kind
	if c.step.ID == "" || kind == stored || kind == generate {
		return kind == stored || kind == generate || kind == given, nil
	}
	kept, err := c.secrets.Stored(ctx, c.step.ID)
	c.step.BesideStored = !kept.IsZero()
	return kind == given || !kept.IsZero(), err
}

// unsent wraps an error that the store returned before anything was sent.
func unsent(s *Step, err error) error {
	hint := "pass --no-store to store nothing"
	if s.generated && s.out == "" {
		hint += ", and --secret-out FILE for the generated secret"
	}
	if own := fault.HintOf(err); own != "" {
		hint = own + "; or " + hint
	}
	return fault.WithHint(fmt.Errorf("nothing was sent, since the secret could not be stored on this machine: %w", err), "%s", hint)
}

// rollBack undoes the writes in reverse order.
func (c *secretChange) rollBack(ctx context.Context, cause error) error {
	for i := len(c.undo) - 1; i >= 0; i-- {
		if err := c.undo[i](ctx); err != nil {
			cause = fmt.Errorf("%w; the new secret could not be removed again: %w", cause, err)
		}
	}
	c.step.Place = ""
	return cause
}

// failed handles an error of the call that sets the secret. It removes the secret
// again if the server certainly does not have it.
func (c *secretChange) failed(ctx context.Context, cause error) error {
	switch {
	case refused(c.step.Action, cause):
		return c.rollBack(ctx, cause)
	case c.step.out != "":
		return fault.WithHint(cause, "the server may have accepted the new secret, so it stays in %s; check with `mender-webhooks list`", c.step.out)
	case c.step.Action != Create && (c.kept.Name == "" || c.step.secret.value.IsZero()):
		return fault.WithHint(cause, "the server may have made the change; check with `mender-webhooks inspect`, or try the update again")
	case c.kept.Name == "" || c.step.secret.value.IsZero():
		return cause
	case c.step.Action == Create:
		return fault.WithHint(cause, "the secret is stored as %s. If `mender-webhooks list` shows the webhook, run `mender-webhooks secret show %[1]s | mender-webhooks secret set --secret-file -`; "+
			"then, or if it does not, run `mender-webhooks secret forget %[1]s`", c.kept.Name)
	}
	return fault.WithHint(cause, "the server may have made the change, so `listen` accepts both the old and the new secret; try the update again")
}

// refused reports whether the server certainly did not make the change.
func refused(a Action, err error) bool {
	var api *mender.Error
	return a == Create && !errors.Is(err, mender.ErrOutcomeUnknown) ||
		errors.As(err, &api) && api.StatusCode >= 400 && api.StatusCode < 500
}

// settle stores the secret under the id that the server returned.
func (c *secretChange) settle(ctx context.Context, id string) error {
	if err := c.store(context.WithoutCancel(ctx), id); err != nil {
		return &KeepError{ID: id, Err: err}
	}
	return nil
}

func (c *secretChange) store(ctx context.Context, id string) error {
	s, value := c.step, c.step.secret.value
	if value.IsZero() {
		if err := c.secrets.Forget(ctx, id); err != nil {
			return err
		}
	}
	if c.kept.Name != "" && c.kept.Name != id {
		kept, err := c.secrets.Keep(ctx, id, value, s.secretOrigin())
		if err != nil {
			return err
		}
		if kept.Place != "" {
			s.Place = kept.Place
		}
	}
	if s.entry.secret.kind == given && !s.rotate && s.SecretUnchanged == "" {
		if err := c.secrets.ForgetOld(ctx, id); err != nil {
			return err
		}
	}
	if s.ID != "" && s.ID != id {
		if err := c.secrets.Forget(ctx, s.ID); err != nil {
			return err
		}
	}
	if err := c.secrets.Forget(ctx, secret.Unconfirmed); err != nil { // the outcome is known
		return err
	}
	if value.IsZero() {
		return nil
	}
	return c.secrets.SetApplied(ctx, id, value)
}

// wait returns after d or, if the context ends first, with its error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
