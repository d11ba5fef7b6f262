package provision

import (
	"context"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
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

func (p *Provisioner) create(ctx context.Context, s *Step) error {
	c, err := p.begin(ctx, s, secret.Unconfirmed)
	if err != nil {
		return err
	}
	id, err := p.o.API.CreateIntegration(ctx, s.integration())
	if err != nil {
		return c.failed(ctx, err)
	}
	s.NewID = id
	return c.settle(ctx, id)
}

// credentials returns the credentials that the step sends.
func (s *Step) credentials() mender.Credentials {
	return mender.HTTP(s.entry.url, s.secret.value.Hex())
}

func (s *Step) integration() mender.NewIntegration {
	n := mender.NewIntegration{Provider: mender.ProviderWebhook, Credentials: s.credentials()}
	if s.entry.description != nil {
		n.Description = *s.entry.description
	}
	if s.entry.scopes != nil {
		n.Scopes = *s.entry.scopes
	}
	return n
}

func (p *Provisioner) change(ctx context.Context, s *Step) error {
	c, err := p.begin(ctx, s, s.ID)
	if err != nil {
		return err
	}
	if err := p.o.API.ReplaceCredentials(ctx, s.ID, s.credentials()); err != nil {
		return c.failed(ctx, err)
	}
	return c.settle(ctx, s.ID)
}

// remove deletes an integration. It also succeeds if someone else deleted it
// first.
func (p *Provisioner) remove(ctx context.Context, s *Step) error {
	if err := p.o.Secrets.ForgetApplied(ctx, s.ID); err != nil {
		return err
	}
	if err := p.clear(ctx, s.ID); errors.Is(err, mender.ErrConflict) {
		return fault.WithHint(err, "decommission the devices that use the integration, then delete it")
	} else if err != nil {
		return err
	}
	if err := p.o.Secrets.Forget(context.WithoutCancel(ctx), s.ID); err != nil {
		return &KeepError{ID: s.ID, Err: err}
	}
	return nil
}
