package cli

import (
	"runtime/debug"
)

// Version returns the module's version that the Go toolchain recorded. It is a
// release after `go install …@v1.2.3`, which also builds the released binaries.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
