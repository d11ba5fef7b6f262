package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// storedSecrets returns the secrets stored for the settings' account, including the
// old ones of a rotation. It does not contact the server, so that a receiver can
// start while Mender is unreachable.
func (a *App) storedSecrets(ctx context.Context, set *config.Settings) ([]webhook.Secret, []secret.Info, error) {
	account, here, err := a.Stored(set)
	if err != nil {
		return nil, nil, err
	}
	var all []webhook.Secret
	for _, info := range here {
		secrets, err := account.Secrets(ctx, info.Name)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, secrets...)
	}
	return all, here, nil
}

// sayStored reports which stored secrets are in use.
func (a *App) sayStored(secrets []webhook.Secret, infos []secret.Info) {
	if len(infos) == 0 {
		return
	}
	what := "the secret"
	if len(secrets) > 1 {
		what = "the secrets"
	}
	a.Say("using %s stored on this machine for webhook %s on %s (fingerprint %s)", what, WebhookNames(infos), infos[0].Server, fingerprints(secrets))
}

func fingerprints(secrets []webhook.Secret) string {
	prints := make([]string, len(secrets))
	for i, s := range secrets {
		prints[i] = s.Fingerprint()
	}
	return strings.Join(prints, ", ")
}

// storedToSign returns the stored secret to sign with, or none. If the account has
// secrets of several webhooks, it asks the server which of them still exists.
func (a *App) storedToSign(ctx context.Context) (webhook.Secret, error) {
	set, err := a.LocalSettings()
	if err != nil {
		return webhook.Secret{}, err
	}
	account, here, err := a.Stored(set)
	if err != nil || len(here) == 0 {
		return webhook.Secret{}, err
	}
	info := here[0]
	if len(here) > 1 {
		if info, err = a.storedOfWebhook(ctx, here); err != nil {
			return webhook.Secret{}, err
		}
	}
	s, err := account.Stored(ctx, info.Name)
	if err == nil && !s.IsZero() {
		a.sayStored([]webhook.Secret{s}, []secret.Info{info})
	}
	return s, err
}

// storedOfWebhook asks the server which of the webhooks still exists, and returns the
// description of its secret.
func (a *App) storedOfWebhook(ctx context.Context, here []secret.Info) (secret.Info, error) {
	hint := "pass --secret-file FILE, or delete outdated secrets with `mender-webhooks secret forget`: " + WebhookNames(here)
	set, err := a.Settings()
	if err != nil {
		return secret.Info{}, err
	}
	client, err := a.client(set)
	if err != nil {
		return secret.Info{}, Hinted(err, "%s", hint)
	}
	all, err := client.Integrations(ctx)
	if err != nil {
		return secret.Info{}, Hinted(err, "%s", hint)
	}
	for _, i := range all {
		if n := slices.IndexFunc(here, func(info secret.Info) bool { return info.Name == i.ID }); n >= 0 {
			return here[n], nil
		}
	}
	return secret.Info{}, Hinted(Usagef("secrets of %d webhooks are stored for %s, but none of the webhooks exists any more", len(here), here[0].Server), "%s", hint)
}

// errForgotten reports that the store no longer has secrets. It is an error because a
// receiver that checks signatures must not start to accept every request.
var errForgotten = errors.New("no secret is stored any more")

// watchStored returns a function that returns the current secrets. They are read
// from the store again when it changes.
func (a *App) watchStored() (func() []webhook.Secret, error) {
	set, err := a.LocalSettings()
	if err != nil {
		return nil, err
	}
	var known []webhook.Secret
	said := false
	read := func() ([]webhook.Secret, error) {
		secrets, infos, err := a.storedSecrets(context.Background(), set)
		switch {
		case err == nil && !said:
			a.sayStored(secrets, infos)
			known, said = secrets, true
		case err == nil && len(secrets) == 0 && len(known) > 0:
			err = errForgotten
		}
		return secrets, err
	}
	return receiver.WatchSecrets(set.SecretsFile, read, func(secrets []webhook.Secret, err error) {
		switch {
		case errors.Is(err, errForgotten):
			a.Warn("the stored secrets for %s were removed; the previous ones stay in use", set.Server)
		case err != nil:
			a.Warn("cannot reload the stored secrets: %v; the previous ones stay in use", err)
		case !slices.Equal(secrets, known):
			known = secrets
			a.Say("the stored secrets for %s changed: now checking against secret %s", set.Server, fingerprints(secrets))
		}
	})
}

// WebhookNames returns the comma-separated ids of the webhooks.
func WebhookNames(infos []secret.Info) string {
	names := make([]string, len(infos))
	for n, i := range infos {
		names[n] = i.Name
	}
	return strings.Join(names, ", ")
}
