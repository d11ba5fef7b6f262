package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Unconfirmed stands for the id of a webhook that is being created: either the
// webhook has no id yet, or it is unknown whether the server created it. An
// account has one such secret.
const Unconfirmed = "unconfirmed"

// Account is the view of one organization on one server: the secrets of its
// webhooks, by integration id. It is safe for concurrent use.
type Account struct {
	store        *Store
	server       string
	organization string
	nothing      bool // see WithoutStore
}

// Account returns the secrets of an organization's webhooks. organization is
// empty on an open source server.
func (s *Store) Account(server, organization string) *Account {
	return &Account{store: s, server: server, organization: organization}
}

// WithoutStore returns a view that stores and finds nothing. If the store can be
// changed, the view still removes a fingerprint that a change would make wrong.
func (a *Account) WithoutStore() *Account {
	return &Account{store: a.store, server: a.server, organization: a.organization, nothing: true}
}

// Stores reports whether the account stores anything.
func (a *Account) Stores() bool { return !a.nothing }

func (a *Account) key(kind Kind, id string) Key {
	return Key{Kind: kind, Server: a.server, Organization: a.organization, Name: id}
}

// readable reports whether the account uses a store that has a location.
func (a *Account) readable() bool { return !a.nothing && a.store.path != "" }

// list returns the account's entries of a kind.
func (a *Account) list(kind Kind) ([]Info, error) {
	if !a.readable() {
		return nil, nil
	}
	all, err := a.store.List(kind)
	return slices.DeleteFunc(all, func(i Info) bool { return i.Server != a.server || i.Organization != a.organization }), err
}

// List describes the stored webhook secrets without reading them.
func (a *Account) List() ([]Info, error) { return a.list(Webhook) }

// names returns the names of a webhook's stored secrets: its id, or the names of
// unconfirmed secrets.
func (a *Account) names(id string) ([]string, error) {
	all, err := a.list(Webhook)
	var names []string
	for _, i := range all {
		if i.Name == id || id == Unconfirmed && (i.Name == "pending" || strings.HasPrefix(i.Name, Unconfirmed+"-")) {
			names = append(names, i.Name)
		}
	}
	return names, err
}

// Secrets returns a webhook's secret and, during a rotation, its earlier secrets,
// newest first. It returns nil if there is none.
func (a *Account) Secrets(ctx context.Context, id string) ([]webhook.Secret, error) {
	names, err := a.names(id)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	e, err := a.store.Get(ctx, a.key(Webhook, names[len(names)-1]))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return e.Secrets()
}

// Stored returns a webhook's secret, or the zero Secret.
func (a *Account) Stored(ctx context.Context, id string) (webhook.Secret, error) {
	secrets, err := a.Secrets(ctx, id)
	if len(secrets) == 0 {
		return webhook.Secret{}, err
	}
	return secrets[0], err
}

// Secrets returns the entry's secret and its earlier secrets, newest first.
func (e Entry) Secrets() ([]webhook.Secret, error) {
	var secrets []webhook.Secret
	for _, text := range append([]string{e.Value}, e.Old...) {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			return nil, fault.WithHint(fmt.Errorf("%s cannot be used: %w", e.Key, err), "store it again with `mender-webhooks secret set %s`", e.Name)
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// Kept describes where Keep stored a secret.
type Kept struct {
	// Name is the webhook's id, or the name of an unconfirmed secret.
	Name string
	// Place is text such as "the system's keyring"; empty if the secret was
	// already stored, or nothing is stored.
	Place string
	// Undo restores the store, even after the context has ended; nil if nothing
	// was stored.
	Undo func(context.Context) error
}

// Keep stores a webhook's secret. The old one stays beside it until ForgetOld, for
// receivers that still need it; an unconfirmed one is replaced.
func (a *Account) Keep(ctx context.Context, id string, s webhook.Secret, origin Origin) (Kept, error) {
	if a.nothing {
		return Kept{}, nil
	}
	names, err := a.names(id)
	if err != nil {
		return Kept{}, err
	}
	var before []Entry
	for _, name := range names {
		e, err := a.store.Get(ctx, a.key(Webhook, name))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Kept{}, err
		}
		if err == nil {
			before = append(before, e)
		}
	}
	k := Kept{Name: id}
	if id == Unconfirmed {
		k.Name = Unconfirmed + "-" + s.Fingerprint()
	}
	if len(before) == 1 && before[0].Name == k.Name && strings.EqualFold(before[0].Value, s.Hex()) {
		return k, nil
	}
	saved, err := a.store.Rotate(ctx, a.key(Webhook, k.Name), s.Hex(), origin)
	if err != nil {
		return Kept{}, err
	}
	k.Place = saved.String()
	k.Undo = func(ctx context.Context) error {
		ctx = context.WithoutCancel(ctx)
		err := a.forget(ctx, Webhook, k.Name)
		for _, e := range before {
			_, setErr := a.store.Set(ctx, e)
			err = errors.Join(err, setErr)
		}
		return err
	}
	for _, name := range names {
		if name != k.Name {
			err = errors.Join(err, a.forget(ctx, Webhook, name))
		}
	}
	return k, err
}

// Set stores a webhook's secret that was set elsewhere, and replaces the stored
// ones.
func (a *Account) Set(ctx context.Context, id string, s webhook.Secret) (Saved, error) {
	return a.store.Set(ctx, Entry{Info: Info{Key: a.key(Webhook, id), Origin: Given}, Value: s.Hex()})
}

// ForgetOld ends a rotation: it forgets all secrets of a webhook except for the
// newest.
func (a *Account) ForgetOld(ctx context.Context, id string) error {
	if secrets, err := a.Secrets(ctx, id); err != nil || len(secrets) < 2 {
		return err
	}
	return a.store.ForgetOld(ctx, a.key(Webhook, id))
}

// Forget removes a webhook's secret, if there is one.
func (a *Account) Forget(ctx context.Context, id string) error {
	names, err := a.names(id)
	for _, name := range names {
		err = errors.Join(err, a.forget(ctx, Webhook, name))
	}
	return err
}

func (a *Account) forget(ctx context.Context, kind Kind, name string) error {
	err := a.store.Delete(ctx, a.key(kind, name))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Check returns an error if the store cannot be changed. It succeeds if the store
// has no location.
func (a *Account) Check(ctx context.Context) error {
	if !a.readable() {
		return nil
	}
	return a.store.Check(ctx)
}

// applied returns the text whose fingerprint is stored. It does not depend on the
// case of the secret's digits.
func applied(s webhook.Secret) string { return "webhook\n" + strings.ToLower(s.Hex()) }

// SetApplied stores a fingerprint of the server's secret, since Mender does not
// return it. If the store has no location, the secret stays unknown.
func (a *Account) SetApplied(ctx context.Context, id string, s webhook.Secret) error {
	if !a.readable() {
		return nil
	}
	return a.store.setApplied(ctx, a.key(Applied, id), applied(s))
}

// Compare compares a secret with the one that SetApplied last recorded.
func (a *Account) Compare(_ context.Context, id string, s webhook.Secret) (Drift, error) {
	if !a.readable() {
		return Unknown, nil
	}
	return a.store.compare(a.key(Applied, id), applied(s))
}

// ForgetApplied removes the fingerprint of the server's secret. Call it before
// the secret changes.
func (a *Account) ForgetApplied(ctx context.Context, id string) error {
	if a.nothing {
		_ = a.store.Account(a.server, a.organization).ForgetApplied(ctx, id) // this view does not use the store
		return nil
	}
	known, err := a.list(Applied)
	if err != nil || !slices.ContainsFunc(known, func(i Info) bool { return i.Name == id }) {
		return err
	}
	return a.forget(ctx, Applied, id)
}
