package secret

import (
	"context"
	"errors"
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// RenameTokens moves the tokens of a profile, on all servers, to another profile. It
// stores them under the new name, calls commit, and then removes them under the old name.
// If commit fails, it removes the new ones and returns commit's error. It is a conflict if
// the other profile has a different token on one of the servers.
func (s *Store) RenameTokens(ctx context.Context, from, to string, commit func() error) error {
	all, err := s.List(Token)
	if err != nil {
		return err
	}
	var moved, copied []Key
	var undo error
	for _, info := range all {
		if info.Name != from || err != nil {
			continue
		}
		moved = append(moved, info.Key)
		var added bool
		if added, err = s.copyToken(ctx, info.Key, to); added {
			info.Name = to
			copied = append(copied, info.Key)
		}
	}
	if err == nil {
		err = commit()
	}
	remove := moved
	if err != nil {
		remove = copied
	}
	for _, key := range remove {
		undo = errors.Join(undo, s.Delete(context.WithoutCancel(ctx), key))
	}
	if err == nil && undo != nil {
		err = fault.WithHint(errors.New("the profile was renamed, but its old token remains"), "remove it with `mender-webhooks logout --profile %s`", from)
	}
	return errors.Join(err, undo)
}

// copyToken stores a token under the name of another profile, unless it is there already.
func (s *Store) copyToken(ctx context.Context, k Key, to string) (added bool, err error) {
	e, err := s.Get(ctx, k)
	if errors.Is(err, ErrNotFound) { // someone removed it from the keyring
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e.Name = to
	switch there, err := s.Get(ctx, e.Key); {
	case err == nil && there.Value == e.Value:
		return false, nil
	case err == nil:
		return false, fault.WithHint(fault.New(fault.Conflict, "%s is stored already", e.Key),
			"remove it with `mender-webhooks logout --server %s --profile NAME`, or choose another name", e.Server)
	case !errors.Is(err, ErrNotFound):
		return false, err
	}
	_, err = s.Set(ctx, e)
	if err != nil {
		return false, fmt.Errorf("store the token under the new name: %w", err)
	}
	return true, nil
}
