//go:build unix

package relay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
)

// actAsOwner makes a process that runs as root act as the owner of the store in dir until
// restore is called, so that no file in it changes its owner. It changes the credentials
// of all threads, and makes dir the working directory. It sets dir to ".", because the owner
// may not be able to reach it by its path.
//
// Unless brief is set, it returns an error instead: root must not run another user's store.
func actAsOwner(dir *string, brief bool) (restore func() error, err error) {
	restore = func() error { return nil }
	if os.Geteuid() != 0 {
		return restore, nil
	}
	info, err := os.Stat(filepath.Join(*dir, embedded.Directory))
	if errors.Is(err, os.ErrNotExist) {
		return restore, nil
	}
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || owner.Uid == 0:
		return restore, nil
	case !brief:
		return nil, fault.WithHint(fault.New(fault.Access, "the store in %s belongs to user %d, but this process runs as root", *dir, owner.Uid),
			"run it as the owner of %s", *dir)
	}
	home, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	restore = func() error {
		return errors.Join(syscall.Seteuid(0), syscall.Setegid(0), os.Chdir(home))
	}
	if err := errors.Join(os.Chdir(*dir), syscall.Setegid(int(owner.Gid)), syscall.Seteuid(int(owner.Uid))); err != nil {
		return nil, errors.Join(fmt.Errorf("act as user %d, who owns the store: %w", owner.Uid, err), restore())
	}
	*dir = "."
	return restore, nil
}
