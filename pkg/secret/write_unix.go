//go:build !windows

package secret

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// writeFile leaves the old text or the new one, whatever happens. What is
// written never stands in another folder than the file's.
func writeFile(path string, text []byte) error {
	return renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(filepath.Dir(path)))
}
