//go:build unix

package receiver

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Connections must leave descriptors for the store, since it could not write their
// events otherwise.
func TestConnectionsLeaveDescriptors(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct{ limit, conns, want int }{
		{1024, 0, 768}, {256, 0, 192}, {1024, 100, 100}, {1024, 5000, 768},
	} {
		limited := was
		limited.Cur = 0
		for range test.limit {
			limited.Cur++ // its type depends on the system
		}
		if limited.Cur > was.Max {
			t.Skip("the limit of descriptors is lower here")
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limited); err != nil {
			t.Fatal(err)
		}
		if got := NewServer(ServerOptions{MaxConns: test.conns}).conns.max; got != test.want {
			t.Errorf("%d connections under a limit of %d, want %d", got, test.limit, test.want)
		}
	}
}
