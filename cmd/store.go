package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// store returns the store of tokens and webhook secrets on this machine.
func (a *app) store(set *config.Settings) *secret.Store {
	if a.secrets == nil {
		a.secrets = secret.New(secret.Options{File: set.SecretsFile, NoKeyring: set.NoKeyring, Now: a.now})
	}
	return a.secrets
}

func tokenKey(set *config.Settings) secret.Key {
	return secret.Key{Kind: secret.Token, Server: set.Server, Name: set.Profile}
}

func webhookKey(set *config.Settings, integration string) secret.Key {
	return secret.Key{Kind: secret.Webhook, Server: set.Server, Name: integration}
}

// storedToken is what config.Load asks for the token that login keeps. The
// keyring's own time limit bounds it.
func (a *app) storedToken(local *config.Settings) func(server, profile string) (string, error) {
	return func(server, profile string) (string, error) {
		if local.SecretsFile == "" {
			return "", nil // nothing can have been kept
		}
		e, err := a.store(local).Get(context.Background(), secret.Key{Kind: secret.Token, Server: server, Name: profile})
		if errors.Is(err, secret.ErrNotFound) {
			return "", nil
		}
		return e.Value, err
	}
}

// checkStore makes sure that a secret can be kept, before anything is sent
// that can't be taken back.
func (a *app) checkStore(ctx context.Context, set *config.Settings) error {
	err := a.store(set).Check(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("nothing was sent, since what it sets could not be kept on this machine: %w", err)
}

// kept lists the webhook secrets that are kept for the settings' server,
// without a look at them. Where there is no place for a store there are none.
func (a *app) kept(set *config.Settings) ([]secret.Info, error) {
	if set.SecretsFile == "" {
		return nil, nil
	}
	all, err := a.store(set).List(secret.Webhook)
	var here []secret.Info
	for _, info := range all {
		if info.Server == set.Server {
			here = append(here, info)
		}
	}
	return here, err
}

// keptSecret returns the secret kept for an integration, or the zero one.
func (a *app) keptSecret(ctx context.Context, set *config.Settings, integration string) (webhook.Secret, error) {
	if set.SecretsFile == "" {
		return webhook.Secret{}, nil
	}
	e, err := a.store(set).Get(ctx, webhookKey(set, integration))
	if errors.Is(err, secret.ErrNotFound) {
		return webhook.Secret{}, nil
	}
	if err != nil {
		return webhook.Secret{}, err
	}
	secrets, err := secretsOf(e)
	if err != nil {
		return webhook.Secret{}, err
	}
	return secrets[0], nil
}

// secretsOf returns the secret of an entry, and those before it while a
// change of secrets lasts.
func secretsOf(e secret.Entry) ([]webhook.Secret, error) {
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

// forgetSecret forgets an integration's secret; none is no error.
func (a *app) forgetSecret(ctx context.Context, set *config.Settings, integration string) error {
	here, err := a.kept(set)
	if err != nil {
		return err
	}
	for _, info := range here {
		if info.Name == integration {
			return a.store(set).Delete(ctx, info.Key)
		}
	}
	return nil
}
