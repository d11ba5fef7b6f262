package cli

import "runtime/debug"

// UserAgent returns the name and the version of the program, for requests.
func UserAgent() string { return "mender-webhooks/" + Version() }

// Version returns the module's version that the Go toolchain recorded. After
// `go install …@v1.2.3` it is that release; the released binaries are built the
// same way.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
