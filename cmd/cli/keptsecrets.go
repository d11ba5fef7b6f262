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

// storedSecrets returns the secrets stored for the settings' account, those of
// a change that is not over included. The server is not asked, so that a
// receiver starts while Mender is away.
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

// sayKept says which secrets were found without being told.
func (a *App) sayKept(secrets []webhook.Secret, infos []secret.Info) {
	if len(infos) == 0 {
		return
	}
	what := "the secret"
	if len(secrets) > 1 {
		what = "the secrets"
	}
	a.Say("using %s kept on this machine for webhook %s on %s (fingerprint %s)", what, KeptNames(infos), infos[0].Server, fingerprints(secrets))
}

func fingerprints(secrets []webhook.Secret) string {
	prints := make([]string, len(secrets))
	for i, s := range secrets {
		prints[i] = s.Fingerprint()
	}
	return strings.Join(prints, ", ")
}

// keptToSign returns the one secret to sign with, or none. Where several are
// kept for the server, the server says which webhook there is.
func (a *App) keptToSign(ctx context.Context) (webhook.Secret, error) {
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
		if info, err = a.keptOfWebhook(ctx, here); err != nil {
			return webhook.Secret{}, err
		}
	}
	s, err := account.Stored(ctx, info.Name)
	if err == nil && !s.IsZero() {
		a.sayKept([]webhook.Secret{s}, []secret.Info{info})
	}
	return s, err
}

// keptOfWebhook asks the server which of the webhooks is there.
func (a *App) keptOfWebhook(ctx context.Context, here []secret.Info) (secret.Info, error) {
	hint := "give --secret-file FILE; or forget those that are out of date with `mender-webhooks secret forget`: " + KeptNames(here)
	set, err := a.Settings()
	if err != nil {
		return secret.Info{}, err
	}
	client, err := a.Client(set)
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
	return secret.Info{}, Hinted(Usagef("secrets of %d webhooks are kept here for %s, and none of these is there any more", len(here), here[0].Server), "%s", hint)
}

// errForgotten says that all secrets were removed from the store: a receiver
// that checks signatures must not become one that accepts everything.
var errForgotten = errors.New("there is no secret any more")

// liveKept returns a function for the secrets stored for the server, which reads
// them again when the store changes.
func (a *App) liveKept() (func() []webhook.Secret, error) {
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
			a.sayKept(secrets, infos)
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
			a.Warn("cannot use the changed store of secrets: %v; the previous secrets stay in use", err)
		case !slices.Equal(secrets, known):
			known = secrets
			a.Say("the stored secrets for %s changed: now checking against secret %s", set.Server, fingerprints(secrets))
		}
	})
}

// KeptNames lists the ids of webhooks, comma-separated.
func KeptNames(infos []secret.Info) string {
	names := make([]string, len(infos))
	for n, i := range infos {
		names[n] = i.Name
	}
	return strings.Join(names, ", ")
}
