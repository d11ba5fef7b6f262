package provision

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func (p *Provisioner) execute(ctx context.Context, s *Step) error {
	switch s.Action {
	case Create:
		return p.create(ctx, s)
	case ChangeCredentials:
		return p.change(ctx, s)
	case Recreate:
		return p.recreate(ctx, s)
	case Delete:
		return p.remove(ctx, s)
	}
	return nil
}

// create makes sure that the secret is kept before the server has it.
func (p *Provisioner) create(ctx context.Context, s *Step) error {
	if err := p.prepare(ctx, s, Pending); err != nil {
		return err
	}
	id, err := p.o.API.CreateIntegration(ctx, s.entry.integration(s.secret.value))
	if err != nil {
		return err
	}
	s.NewID = id
	return p.settle(ctx, s, id)
}

func (e entry) integration(secret string) mender.NewIntegration {
	n := mender.NewIntegration{Provider: e.provider, Credentials: e.credentials(secret)}
	if e.description != nil {
		n.Description = *e.description
	}
	if e.scopes != nil {
		n.Scopes = *e.scopes
	}
	return n
}

func (p *Provisioner) change(ctx context.Context, s *Step) error {
	if err := p.prepare(ctx, s, s.ID); err != nil {
		return err
	}
	if err := p.o.API.ReplaceCredentials(ctx, s.ID, s.entry.credentials(s.secret.value)); err != nil {
		return err
	}
	return p.settle(ctx, s, s.ID)
}

// remove is done, too, where somebody else was faster.
func (p *Provisioner) remove(ctx context.Context, s *Step) error {
	if err := p.o.Secrets.ForgetApplied(ctx, s.ID); err != nil {
		return err
	}
	if err := p.clear(ctx, s.ID); err != nil {
		return err
	}
	if err := p.o.Secrets.Forget(context.WithoutCancel(ctx), s.ID); err != nil {
		return &KeepError{ID: s.ID, Err: err}
	}
	return nil
}

// prepare readies this machine for new credentials: what was applied before
// counts no longer, and a secret that only this machine knows is kept under
// the name.
func (p *Provisioner) prepare(ctx context.Context, s *Step, name string) error {
	if s.ID != "" {
		if err := p.o.Secrets.ForgetApplied(ctx, s.ID); err != nil {
			return err
		}
	}
	kind := s.entry.secret.kind
	if kind != stored && kind != generate {
		return nil
	}
	if s.secret.generate {
		s.secret.value, s.secret.generate = webhook.GenerateSecret().Hex(), false
	}
	return p.keepWebhook(ctx, name, s.secret.value, kind == generate)
}
