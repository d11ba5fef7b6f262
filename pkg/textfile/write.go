package textfile

import "github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"

// Replace replaces the text of a file as a whole, or creates the file with mode
// 0600. A file that exists keeps its owner, group and mode, except for the permission of
// others to write; Replace fails if it cannot preserve them. A symbolic link is followed
// only if no one else could have put it there.
func Replace(name string, text []byte) error { return privatefile.Write(name, text) }

// ReplaceSecret is Replace for text that must stay secret: it refuses a file
// that everyone can read.
func ReplaceSecret(name string, text []byte) error { return privatefile.WriteSecret(name, text) }

// CreateSecret writes text to a new file with mode 0600, and fails with
// fs.ErrExist if there is a file already.
func CreateSecret(name string, text []byte) error { return privatefile.Create(name, text) }
