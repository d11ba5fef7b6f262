package receiving

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
)

// inherited returns the sockets that systemd holds open for this process, so
// that no sender is refused during a restart.
func inherited() ([]net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, cli.Failf(cli.ExitFailed, "take over systemd's sockets: %w", err)
	}
	var streams []net.Listener
	for _, l := range all {
		if l != nil { // nil for a datagram socket
			streams = append(streams, l)
		}
	}
	return streams, nil
}

// addresses returns where events will be received, without listening there.
func (o *listenOptions) addresses(sockets []net.Listener) ([]net.Addr, error) {
	var addrs []net.Addr
	for _, s := range sockets {
		addrs = append(addrs, s.Addr())
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	addr, err := net.ResolveTCPAddr("tcp", o.addr)
	if err != nil {
		return nil, cli.Hinted(cli.Failf(cli.ExitFailed, "listen on %s: %w", o.addr, err), "choose another address with --addr")
	}
	return []net.Addr{addr}, nil
}

// ports listens on systemd's sockets or --addr, and on --metrics.
func (o *listenOptions) ports(ctx context.Context, sockets []net.Listener) (p listener.Ports, err error) {
	if p.Events = sockets; len(sockets) == 0 {
		l, err := cli.ListenOn(ctx, "--addr", o.addr)
		if err != nil {
			return p, err
		}
		p.Events = []net.Listener{l}
	}
	if o.metrics == "" {
		return p, nil
	}
	if p.Monitor, err = cli.ListenOn(ctx, "--metrics", o.metrics); err != nil {
		closeAll(p.Events)
	}
	return p, err
}

// loopbackOnly reports whether no other machine can reach the addresses.
func loopbackOnly(addrs []net.Addr) bool {
	for _, addr := range addrs {
		if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			return false
		}
	}
	return true
}

func joinAddrs(addrs []net.Addr) string {
	var all []string
	for _, addr := range addrs {
		all = append(all, addr.String())
	}
	return strings.Join(all, ", ")
}

func addresses(listeners []net.Listener) string {
	var all []net.Addr
	for _, l := range listeners {
		all = append(all, l.Addr())
	}
	return joinAddrs(all)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // the server may have closed it already
	}
}

// checkLoop refuses to forward to one of the addresses that listen receives on:
// an event would go round until no connection can be opened any more.
func checkLoop(addrs []net.Addr, forwardTo string) error {
	if forwardTo == "" {
		return nil
	}
	target, err := cli.ParseURL("--forward-to", forwardTo)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if tcp, ok := addr.(*net.TCPAddr); ok && portOf(target) == tcp.Port && isHost(target.Hostname(), tcp.IP) {
			return cli.Hinted(cli.Usagef("invalid --forward-to %s: listen itself listens there, and events would go in a circle", target.Host),
				"pass the address of your application, or choose another port with --addr")
		}
	}
	return nil
}

func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// isHost reports whether a name certainly is the address that is listened on.
func isHost(name string, listened net.IP) bool {
	ip := net.ParseIP(name)
	if name == "localhost" || ip.IsUnspecified() {
		ip = net.IPv4(127, 0, 0, 1)
	}
	return ip.Equal(listened) || ip.IsLoopback() && listened.IsUnspecified()
}
