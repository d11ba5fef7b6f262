package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Unconfirmed stands for the id of a webhook that is being created: either the
// webhook has no id yet, or it is unknown whether the server created it. An
// organization has one such secret.
const Unconfirmed = "unconfirmed"

// Webhooks are the secrets of the webhooks of one organization on one server, by
// integration id. It is safe for concurrent use.
type Webhooks struct {
	store        *Store
	server       string
	organization string
	nothing      bool // see WithoutStore
}

// Webhooks returns the secrets of the account's organization.
func (s *Store) Webhooks(account config.Account) *Webhooks {
	return &Webhooks{store: s, server: account.Server, organization: account.Organization}
}

// Find is like Webhooks. If the organization is unknown, it is the only one whose secrets are
// stored for the server; several are a usage error.
func (s *Store) Find(account config.Account) (*Webhooks, error) {
	if !account.OrganizationKnown {
		var err error
		if account.Organization, err = s.organization(account.Server); err != nil {
			return nil, err
		}
	}
	return s.Webhooks(account), nil
}

// HasWebhooks reports whether secrets are stored for the account's server, of whichever
// organization.
func (s *Store) HasWebhooks(account config.Account) (bool, error) {
	if s.path == "" {
		return false, nil
	}
	all, err := s.List(Webhook)
	return slices.ContainsFunc(all, func(i Info) bool { return i.Server == account.Server }), err
}

// WithoutStore returns a view that stores and finds nothing. If the store can be
// changed, the view still removes a fingerprint that a change would make wrong.
func (w *Webhooks) WithoutStore() *Webhooks {
	return &Webhooks{store: w.store, server: w.server, organization: w.organization, nothing: true}
}

// Stores reports whether the account stores anything.
func (w *Webhooks) Stores() bool { return !w.nothing }

func (w *Webhooks) key(kind Kind, id string) Key {
	return Key{Kind: kind, Server: w.server, Organization: w.organization, Name: id}
}

// readable reports whether the account uses a store that has a location.
func (w *Webhooks) readable() bool { return !w.nothing && w.store.path != "" }

// list returns the account's entries of a kind.
func (w *Webhooks) list(kind Kind) ([]Info, error) {
	if !w.readable() {
		return nil, nil
	}
	all, err := w.store.List(kind)
	return slices.DeleteFunc(all, func(i Info) bool { return i.Server != w.server || i.Organization != w.organization }), err
}

// List describes the stored webhook secrets without reading them.
func (w *Webhooks) List() ([]Info, error) { return w.list(Webhook) }

// names returns the names of a webhook's stored secrets: its id, or the names of
// unconfirmed secrets.
func (w *Webhooks) names(id string) ([]string, error) {
	all, err := w.list(Webhook)
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
func (w *Webhooks) Secrets(ctx context.Context, id string) ([]webhook.Secret, error) {
	names, err := w.names(id)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	e, err := w.store.Get(ctx, w.key(Webhook, names[len(names)-1]))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return e.Secrets()
}

// Stored returns a webhook's secret, or the zero Secret.
func (w *Webhooks) Stored(ctx context.Context, id string) (webhook.Secret, error) {
	secrets, err := w.Secrets(ctx, id)
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
func (w *Webhooks) Keep(ctx context.Context, id string, s webhook.Secret, origin Origin) (Kept, error) {
	if w.nothing {
		return Kept{}, nil
	}
	names, err := w.names(id)
	if err != nil {
		return Kept{}, err
	}
	var before []Entry
	for _, name := range names {
		e, err := w.store.Get(ctx, w.key(Webhook, name))
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
	saved, err := w.store.Rotate(ctx, w.key(Webhook, k.Name), s.Hex(), origin)
	if err != nil {
		return Kept{}, err
	}
	k.Place = saved.String()
	k.Undo = func(ctx context.Context) error {
		ctx = context.WithoutCancel(ctx)
		err := w.forget(ctx, Webhook, k.Name)
		for _, e := range before {
			_, setErr := w.store.Set(ctx, e)
			err = errors.Join(err, setErr)
		}
		return err
	}
	for _, name := range names {
		if name != k.Name {
			err = errors.Join(err, w.forget(ctx, Webhook, name))
		}
	}
	return k, err
}

// Set stores a webhook's secret that was set elsewhere, and replaces the stored
// ones.
func (w *Webhooks) Set(ctx context.Context, id string, s webhook.Secret) (Saved, error) {
	return w.store.Set(ctx, Entry{Info: Info{Key: w.key(Webhook, id), Origin: Given}, Value: s.Hex()})
}

// ForgetOld ends a rotation: it forgets all secrets of a webhook except for the
// newest.
func (w *Webhooks) ForgetOld(ctx context.Context, id string) error {
	if secrets, err := w.Secrets(ctx, id); err != nil || len(secrets) < 2 {
		return err
	}
	return w.store.ForgetOld(ctx, w.key(Webhook, id))
}

// Forget removes a webhook's secret, if there is one.
func (w *Webhooks) Forget(ctx context.Context, id string) error {
	names, err := w.names(id)
	for _, name := range names {
		err = errors.Join(err, w.forget(ctx, Webhook, name))
	}
	return err
}

func (w *Webhooks) forget(ctx context.Context, kind Kind, name string) error {
	err := w.store.Delete(ctx, w.key(kind, name))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Check returns an error if the store cannot be changed. It succeeds if the store
// has no location.
func (w *Webhooks) Check(ctx context.Context) error {
	if !w.readable() {
		return nil
	}
	return w.store.Check(ctx)
}

// applied returns the text whose fingerprint is stored. It does not depend on the
// case of the secret's digits.
func applied(s webhook.Secret) string { return "webhook\n" + strings.ToLower(s.Hex()) }

// SetApplied stores a fingerprint of the server's secret, since Mender does not
// return it. If the store has no location, the secret stays unknown.
func (w *Webhooks) SetApplied(ctx context.Context, id string, s webhook.Secret) error {
	if !w.readable() {
		return nil
	}
	return w.store.setApplied(ctx, w.key(Applied, id), applied(s))
}

// Compare compares a secret with the one that SetApplied last recorded.
func (w *Webhooks) Compare(_ context.Context, id string, s webhook.Secret) (Drift, error) {
	if !w.readable() {
		return Unknown, nil
	}
	return w.store.compare(w.key(Applied, id), applied(s))
}

// ForgetApplied removes the fingerprint of the server's secret. Call it before
// the secret changes.
func (w *Webhooks) ForgetApplied(ctx context.Context, id string) error {
	if w.nothing {
		_ = (&Webhooks{store: w.store, server: w.server, organization: w.organization}).ForgetApplied(ctx, id) // this view does not use the store
		return nil
	}
	known, err := w.list(Applied)
	if err != nil || !slices.ContainsFunc(known, func(i Info) bool { return i.Name == id }) {
		return err
	}
	return w.forget(ctx, Applied, id)
}
