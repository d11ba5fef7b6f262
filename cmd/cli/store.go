package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Store returns the store of tokens and webhook secrets on this machine.
func (a *App) Store(set *config.Settings) *secret.Store {
	if a.secrets == nil {
		a.secrets = secret.New(secret.Options{File: set.SecretsFile, NoKeyring: set.NoKeyring, Now: a.Now})
	}
	return a.secrets
}

// TokenKey returns the key under which a server's token is stored.
func TokenKey(set *config.Settings) secret.Key {
	return secret.Key{Kind: secret.Token, Server: set.Server, Name: set.Profile}
}

// WebhookKey returns the key under which a webhook's secret is stored.
func WebhookKey(set *config.Settings, integration string) secret.Key {
	return secret.Key{Kind: secret.Webhook, Server: set.Server, Name: integration}
}

// storedToken is what config.Load asks for the token that login keeps. The
// keyring's own time limit bounds it.
func (a *App) storedToken(local *config.Settings) func(server, profile string) (string, error) {
	return func(server, profile string) (string, error) {
		if local.SecretsFile == "" {
			return "", nil // nothing can have been kept
		}
		e, err := a.Store(local).Get(context.Background(), secret.Key{Kind: secret.Token, Server: server, Name: profile})
		if errors.Is(err, secret.ErrNotFound) {
			return "", nil
		}
		return e.Value, err
	}
}

// CheckStore makes sure that a secret can be kept, before anything is sent
// that can't be taken back.
func (a *App) CheckStore(ctx context.Context, set *config.Settings) error {
	err := a.Store(set).Check(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("nothing was sent, since what it sets could not be kept on this machine: %w", err)
}

// Kept lists the webhook secrets that are kept for the settings' server,
// without a look at them. Where there is no place for a store there are none.
func (a *App) Kept(set *config.Settings) ([]secret.Info, error) {
	if set.SecretsFile == "" {
		return nil, nil
	}
	all, err := a.Store(set).List(secret.Webhook)
	var here []secret.Info
	for _, info := range all {
		if info.Server == set.Server {
			here = append(here, info)
		}
	}
	return here, err
}

// KeptSecret returns the secret kept for an integration, or the zero one.
func (a *App) KeptSecret(ctx context.Context, set *config.Settings, integration string) (webhook.Secret, error) {
	if set.SecretsFile == "" {
		return webhook.Secret{}, nil
	}
	e, err := a.Store(set).Get(ctx, WebhookKey(set, integration))
	if errors.Is(err, secret.ErrNotFound) {
		return webhook.Secret{}, nil
	}
	if err != nil {
		return webhook.Secret{}, err
	}
	secrets, err := SecretsOf(e)
	if err != nil {
		return webhook.Secret{}, err
	}
	return secrets[0], nil
}

// SecretsOf returns the secret of an entry, and those before it while a
// change of secrets lasts.
func SecretsOf(e secret.Entry) ([]webhook.Secret, error) {
	var secrets []webhook.Secret
	for _, text := range append([]string{e.Value}, e.Old...) {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			return nil, &secret.Error{Problem: fmt.Sprintf("%s can't be used", e.Key), Err: err,
				Hint: "give it anew with `mender-webhooks secret set " + e.Name + "`"}
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// ForgetSecret forgets an integration's secret; none is no error.
func (a *App) ForgetSecret(ctx context.Context, set *config.Settings, integration string) error {
	here, err := a.Kept(set)
	if err != nil {
		return err
	}
	for _, info := range here {
		if info.Name == integration {
			return a.Store(set).Delete(ctx, info.Key)
		}
	}
	return nil
}
