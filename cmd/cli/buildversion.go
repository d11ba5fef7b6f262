package cli

import (
	"runtime/debug"
)

// Version is the module's version as the Go toolchain recorded it: a release
// for `go install …@v1.2.3` and for the released binaries, which are built so.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
