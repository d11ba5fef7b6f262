package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// Store returns the store of tokens and webhook secrets on this machine.
func (a *App) Store(set *config.Settings) *secret.Store {
	open := func() *secret.Store {
		return secret.New(secret.Options{File: set.SecretsFile, NoKeyring: set.NoKeyring, Now: a.Now})
	}
	if a.profile != "" {
		return a.together.store(set, open)
	}
	if a.secrets == nil {
		a.secrets = open()
	}
	return a.secrets
}

// storedToken returns the function from which config.Load gets the token that login
// stored. It needs no context, because the keyring has a time limit of its own.
func (a *App) storedToken(local *config.Settings) func(config.Account) (string, error) {
	return func(account config.Account) (string, error) {
		return a.Store(local).Token(context.Background(), account)
	}
}

// CheckStore returns an error if a token could not be stored. Call it before sending
// anything.
func (a *App) CheckStore(ctx context.Context, set *config.Settings) error {
	err := a.Store(set).Check(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("nothing was sent, since the token could not be stored on this machine: %w", err)
}

// Account returns the webhook secrets of the settings' organization. If neither a token nor
// the profile names the organization, Account uses the only one that has secrets for the
// server, and returns an error if several have.
func (a *App) Account(set *config.Settings) (*secret.Webhooks, error) {
	if !set.OrganizationKnown && set.Token.Value == "" { // LocalSettings returns no token
		if full, err := a.Load(config.Input{StoredToken: a.storedToken(set)}); err == nil {
			a.findOrganization(full)
			set.Organization, set.OrganizationKnown = full.Organization, full.OrganizationKnown // a listener may outlive its token
		}
	}
	return a.Store(set).Find(set.Account)
}

// findOrganization reads the organization from the token's claims. On an open source
// server, the claims name no organization.
func (a *App) findOrganization(set *config.Settings) {
	if claims, err := mender.ParseClaims(set.Token.Value); err == nil {
		set.Organization, set.OrganizationKnown = claims.Tenant, true
	}
}

// Stored returns the account's webhook secrets and their descriptions. It
// determines the organization only if secrets are stored for the server.
func (a *App) Stored(set *config.Settings) (*secret.Webhooks, []secret.Info, error) {
	if some, err := a.Store(set).HasWebhooks(set.Account); err != nil || !some {
		return a.Store(set).Webhooks(set.Account), nil, err
	}
	account, err := a.Account(set)
	if err != nil {
		return nil, nil, err
	}
	here, err := account.List()
	if err != nil {
		return nil, nil, err
	}
	if ignored, err := account.WithoutOrganization(); err == nil && len(ignored) > 0 && !a.saidIgnored {
		a.saidIgnored = true
		a.Warn("ignoring the secret of webhook %s: an older version stored it without its organization; run `mender-webhooks list` to assign it if it belongs to this organization",
			strings.Join(ignored, ", "))
	}
	return account, here, nil
}

// Integrations lists the organization's integrations. If older versions stored secrets
// for them, it assigns these secrets to the account.
func (a *App) Integrations(ctx context.Context, client *mender.Client) ([]mender.Integration, error) {
	all, err := client.Integrations(ctx)
	if err != nil || a.cached == nil || a.cached.SecretsFile == "" {
		return all, err
	}
	ids := make([]string, len(all))
	for n, i := range all {
		ids[n] = i.ID
	}
	account, storeErr := a.Account(a.cached)
	if storeErr == nil {
		storeErr = account.Adopt(ctx, ids)
	}
	if storeErr != nil {
		a.Warn("could not assign secrets that an older version stored: %v", storeErr)
	}
	return all, nil
}
