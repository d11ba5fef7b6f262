package secret

import "github.com/google/renameio/v2/maybe"

// writeFile is not atomic here: Windows has no way to replace a file that
// renameio would vouch for.
func writeFile(path string, text []byte) error { return maybe.WriteFile(path, text, 0o600) }
