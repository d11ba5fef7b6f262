//go:build !unix

package child

import (
	"os"
	"syscall"
)

func forwarded() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// ignoreLate does nothing: the signals of this system all ask a process to end.
func ignoreLate() {}

// forward does nothing: a console sends Ctrl-C to all of its processes.
func forward(*os.Process, os.Signal) {}
