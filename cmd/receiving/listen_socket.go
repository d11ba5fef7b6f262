package receiving

import (
	"context"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
)

// listeners takes over the sockets that systemd holds open for us, so that a
// restart refuses nobody; without any it listens on --addr.
func (o *listenOptions) listeners(ctx context.Context) ([]net.Listener, error) {
	inherited, err := activation.Listeners()
	if err != nil {
		return nil, cli.Failf(cli.ExitFailed, "take over systemd's sockets: %w", err)
	}
	var listeners []net.Listener
	for _, l := range inherited {
		if l != nil { // a socket that is no stream
			listeners = append(listeners, l)
		}
	}
	if len(listeners) > 0 {
		return listeners, nil
	}
	l, err := cli.ListenOn(ctx, "--addr", o.addr)
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// loopbackOnly reports whether no other machine can reach the listeners.
func loopbackOnly(listeners []net.Listener) bool {
	for _, l := range listeners {
		if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			return false
		}
	}
	return true
}

func addresses(listeners []net.Listener) string {
	var all []string
	for _, l := range listeners {
		all = append(all, l.Addr().String())
	}
	return strings.Join(all, ", ")
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // the server may have closed it already
	}
}
