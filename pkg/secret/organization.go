package secret

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// organization returns the organization whose secrets are stored for the server,
// or "" if there is none. It is for commands that have no token and no profile
// that names the organization. If there are several, the error lists them.
func (s *Store) organization(server string) (string, error) {
	if s.path == "" {
		return "", nil
	}
	all, err := s.List(Webhook)
	if err != nil {
		return "", err
	}
	var found []string
	for _, i := range all {
		if i.Server == server && !slices.Contains(found, i.Organization) {
			found = append(found, i.Organization)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	if found[0] == "" {
		found[0] = "unknown (stored by an older version)"
	}
	return "", fault.WithHint(fault.Usagef("secrets of %d organizations are stored for %s: %s", len(found), server, strings.Join(found, ", ")),
		"pass --profile to choose one, or --secret-file")
}

// WithoutOrganization returns the ids of webhooks on the account's server whose
// secrets older versions stored without an organization. The account does not use
// them.
func (w *Webhooks) WithoutOrganization() ([]string, error) {
	if !w.readable() || w.organization == "" {
		return nil, nil
	}
	old, err := w.store.Webhooks(config.Account{Server: w.server}).List()
	ids := make([]string, len(old))
	for i := range old {
		ids[i] = old[i].Name
	}
	return ids, err
}

// Adopt assigns entries without an organization to the account if they belong to
// one of its integrations. ids are the integrations that the server lists.
func (w *Webhooks) Adopt(ctx context.Context, ids []string) error {
	if !w.readable() || w.organization == "" {
		return nil
	}
	old := w.store.Webhooks(config.Account{Server: w.server})
	secrets, err := old.list(Webhook)
	fingerprints, err2 := old.list(Applied)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	for _, i := range slices.Concat(secrets, fingerprints) {
		if slices.Contains(ids, i.Name) {
			err = errors.Join(err, w.store.rekey(ctx, i.Key, w.key(i.Kind, i.Name)))
		}
	}
	return err
}

// rekey moves an entry to another key. If that key is already taken, it only
// removes the entry.
func (s *Store) rekey(ctx context.Context, from, to Key) error {
	return s.change(ctx, func(c *contents) error {
		i := c.find(from)
		if i < 0 {
			return nil // another process moved it first
		}
		r := c.Entries[i]
		if c.find(to) < 0 {
			if r.Place == Keyring {
				e, err := s.get(ctx, *c, from)
				if err != nil {
					return err
				}
				if err := s.keyring.set(ctx, to, item{Value: e.Value, Old: e.Old}); err != nil {
					return keyringError(to, err)
				}
			}
			r.Key = to
			c.put(r)
		}
		c.remove(from)
		if r.Place == Keyring {
			_ = s.keyring.delete(ctx, from) // the file no longer names it
		}
		return nil
	})
}
