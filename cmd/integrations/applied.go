package integrations

import (
	"context"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// provisionSecrets is the store of secrets as pkg/provision wants it.
type provisionSecrets struct {
	a   *cli.App
	set *config.Settings
}

func (p provisionSecrets) Stored(ctx context.Context, id string) (webhook.Secret, error) {
	return p.a.KeptSecret(ctx, p.set, id)
}

func (p provisionSecrets) Keep(ctx context.Context, id string, s webhook.Secret, generated bool) error {
	origin := secret.Given
	if generated {
		origin = secret.Generated
	}
	saved, err := p.a.Store(p.set).Rotate(ctx, cli.WebhookKey(p.set, id), s.Hex(), origin)
	if err == nil && id != provision.Pending {
		p.a.Say("the webhook's secret is kept in %s (fingerprint %s)", saved, s.Fingerprint())
	}
	return err
}

func (p provisionSecrets) Forget(ctx context.Context, id string) error {
	return p.a.ForgetSecret(ctx, p.set, id)
}

func (p provisionSecrets) Compare(_ context.Context, id, credentials string) (provision.Drift, error) {
	if p.set.SecretsFile == "" {
		return provision.Unknown, nil
	}
	drift, err := p.a.Store(p.set).Compare(p.set.Server, id, credentials)
	return provision.Drift(drift), err
}

// SetApplied goes without a fingerprint where there is no place for one: the
// next plan says that the secret is unknown.
func (p provisionSecrets) SetApplied(ctx context.Context, id, credentials string) error {
	if p.set.SecretsFile == "" {
		return nil
	}
	return p.a.Store(p.set).SetApplied(ctx, p.set.Server, id, credentials)
}

func (p provisionSecrets) ForgetApplied(ctx context.Context, id string) error {
	if p.set.SecretsFile == "" {
		return nil
	}
	known, err := p.a.Store(p.set).List(secret.Applied)
	if err != nil {
		return err
	}
	key := secret.Key{Kind: secret.Applied, Server: p.set.Server, Name: id}
	for _, info := range known {
		if info.Key == key {
			err := p.a.Store(p.set).Delete(ctx, key)
			if errors.Is(err, secret.ErrNotFound) {
				return nil
			}
			return err
		}
	}
	return nil
}

// beforeChange and afterChange frame a change of a webhook's credentials: in
// between, what the server has is not known, whatever happens to this process.
func beforeChange(ctx context.Context, a *cli.App, set *config.Settings, id string) error {
	return provisionSecrets{a, set}.ForgetApplied(ctx, id)
}

// afterChange is no reason to fail: without the fingerprint, `apply` says that
// the secret is unknown, and sets it.
func afterChange(ctx context.Context, a *cli.App, set *config.Settings, id string, s webhook.Secret) {
	if s.IsZero() {
		return
	}
	err := provisionSecrets{a, set}.SetApplied(context.WithoutCancel(ctx), id, provision.Applied(mender.ProviderWebhook, s.Hex()))
	if err != nil {
		a.Warn("the next `apply` will not know the webhook's secret: %v", err)
	}
}
