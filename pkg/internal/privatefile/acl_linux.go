package privatefile

import (
	"errors"
	"os"
	"syscall"
)

// posixACL is the extended attribute that holds a file's access control list.
const posixACL = "system.posix_acl_access"

// copyACL copies the access control list of the file at path, if it has one.
func copyACL(path string, to *os.File) error {
	acl := make([]byte, 4<<10) // 512 entries
	n, err := syscall.Getxattr(path, posixACL, acl)
	switch {
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
		return nil
	case err != nil:
		return err
	}
	return syscall.Setxattr(to.Name(), posixACL, acl[:n], 0)
}
