//go:build unix

package child

import (
	"syscall"
	"testing"
)

// TestLateSignals sends this process the signals that were for a program which has ended.
func TestLateSignals(t *testing.T) {
	p, err := New([]string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}
