package provision

import (
	"context"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// KeepError says that the server has taken everything, but this machine could
// not keep what it should: the next plan may say that a secret is unknown.
type KeepError struct {
	// ID is the integration's.
	ID  string
	Err error
}

// Error says what went wrong on this machine alone.
func (e *KeepError) Error() string {
	return fmt.Sprintf("integration %s was changed on the server, but this machine could not keep what it has to know of it: %v", e.ID, e.Err)
}

// Unwrap returns the store's error.
func (e *KeepError) Unwrap() error { return e.Err }

// settle keeps on this machine what the server has taken. A secret stored for
// the webhook is brought up to date, since a receiver here reads it.
func (p *Provisioner) settle(ctx context.Context, s *Step, id string) error {
	if err := p.keep(ctx, s, id); err != nil {
		return &KeepError{ID: id, Err: err}
	}
	return nil
}

func (p *Provisioner) keep(ctx context.Context, s *Step, id string) error {
	ctx = context.WithoutCancel(ctx) // the server has it; so must we
	kept, err := p.o.Secrets.Stored(ctx, id)
	if err == nil && kept.IsZero() && s.ID != "" {
		kept, err = p.o.Secrets.Stored(ctx, s.ID) // its predecessor's
	}
	if err != nil {
		return err
	}
	kind := s.entry.secret.kind
	ours := kind == stored || kind == generate
	switch {
	case kind == none && !kept.IsZero():
		err = p.o.Secrets.Forget(ctx, id)
	case s.Provider == mender.ProviderWebhook && (ours || !kept.IsZero()):
		err = p.keepWebhook(ctx, id, s.secret.value, kind == generate)
	}
	if err == nil && ours {
		err = p.o.Secrets.Forget(ctx, Pending)
	}
	if err == nil && s.ID != "" && s.ID != id {
		err = p.o.Secrets.Forget(ctx, s.ID)
	}
	if err == nil && kind != none {
		err = p.o.Secrets.SetApplied(ctx, id, Applied(s.Provider, s.secret.value))
	}
	return err
}

// keepWebhook keeps a secret that is not kept already.
func (p *Provisioner) keepWebhook(ctx context.Context, id, text string, generated bool) error {
	secret, err := webhook.ParseSecret(text)
	if err != nil {
		return err
	}
	if kept, err := p.o.Secrets.Stored(ctx, id); err != nil || kept == secret {
		return err
	}
	return p.o.Secrets.Keep(ctx, id, secret, generated)
}
