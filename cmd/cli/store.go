package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// TokenKey returns the key under which a server's token is stored.
func TokenKey(set *config.Settings) secret.Key {
	return secret.Key{Kind: secret.Token, Server: set.Server, Name: set.Profile}
}

// storedToken returns the function from which config.Load gets the token that login
// stored. It needs no context, because the keyring has a time limit of its own.
func (a *App) storedToken(local *config.Settings) func(server, profile string) (string, error) {
	return func(server, profile string) (string, error) {
		if local.SecretsFile == "" {
			return "", nil // this machine has no place for a store
		}
		e, err := a.Store(local).Get(context.Background(), secret.Key{Kind: secret.Token, Server: server, Name: profile})
		if errors.Is(err, secret.ErrNotFound) {
			return "", nil
		}
		return e.Value, err
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

// Account returns the account with the stored secrets of the settings' organization. If
// neither a token nor the profile names the organization, Account uses the only one that
// has secrets for the server, and returns an error if several have.
func (a *App) Account(set *config.Settings) (*secret.Account, error) {
	store := a.Store(set)
	organization, known := set.Organization, set.OrganizationKnown
	if !known && set.Token.Value == "" { // LocalSettings returns no token
		full, err := a.Load(config.Input{StoredToken: a.storedToken(set)})
		if err == nil {
			a.findOrganization(full)
			set.Organization, set.OrganizationKnown = full.Organization, full.OrganizationKnown // a listener may outlive its token
			organization, known = set.Organization, set.OrganizationKnown
		}
	}
	if !known {
		var err error
		if organization, err = store.Organization(set.Server); err != nil {
			return nil, err
		}
	}
	return store.Account(set.Server, organization), nil
}

// findOrganization reads the organization from the token's claims. On an open source
// server, the claims name no organization.
func (a *App) findOrganization(set *config.Settings) {
	if claims, err := mender.ParseClaims(set.Token.Value); err == nil {
		set.Organization, set.OrganizationKnown = claims.Tenant, true
	}
}

// Stored returns the account and descriptions of its stored webhook secrets. It
// determines the organization only if secrets are stored for the server.
func (a *App) Stored(set *config.Settings) (*secret.Account, []secret.Info, error) {
	if set.SecretsFile == "" {
		return a.Store(set).Account(set.Server, ""), nil, nil
	}
	all, err := a.Store(set).List(secret.Webhook)
	if err != nil || !slices.ContainsFunc(all, func(i secret.Info) bool { return i.Server == set.Server }) {
		return a.Store(set).Account(set.Server, ""), nil, err
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
