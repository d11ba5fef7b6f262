//go:build !unix

package child

import (
	"os"
	"syscall"
)

func forwarded() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// forward does nothing: a console sends Ctrl-C to all of its processes.
func forward(*os.Process, os.Signal) {}
