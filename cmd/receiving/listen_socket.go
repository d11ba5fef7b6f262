package receiving

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
)

// addresses returns the addresses on which events will be received. It does not
// listen on them yet.
func (o *listenOptions) addresses(sockets []net.Listener) ([]net.Addr, error) {
	if len(sockets) > 0 {
		return addrsOf(sockets), nil
	}
	addr, err := net.ResolveTCPAddr("tcp", o.addr)
	if err != nil {
		return nil, cli.Hinted(cli.Failf(fault.Failed, "listen on %s: %w", o.addr, err), "choose another address with --addr")
	}
	return []net.Addr{addr}, nil
}

// ports returns systemd's sockets or, without them, listens on --addr. It also
// listens on --metrics.
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
		for _, l := range p.Events {
			_ = l.Close() // its error does not matter, since nothing was received
		}
	}
	return p, err
}

// checkLoop returns a usage error if a target of --forward-to is one of the addresses
// on which listen itself receives events.
func (o *relayOptions) checkLoop(addrs []net.Addr) error {
	routes, err := o.routes()
	if err != nil {
		return err
	}
	for _, r := range routes {
		if err := checkURLLoop(addrs, r.url); err != nil {
			return cli.Hinted(cli.Usagef("invalid --forward-to %s: %w", r.url.Host, err),
				"pass the address of your application, or choose another port with --addr")
		}
	}
	return nil
}

// checkURLLoop returns an error if a URL is one of the addresses on which listen receives
// events.
func checkURLLoop(addrs []net.Addr, u *url.URL) error {
	if listener.Loops(addrs, u) {
		return errors.New("listen itself receives on this address, so events would loop")
	}
	return nil
}

func addrsOf(listeners []net.Listener) []net.Addr {
	addrs := make([]net.Addr, len(listeners))
	for i, l := range listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

func joinAddrs(addrs []net.Addr) string {
	all := make([]string, len(addrs))
	for i, addr := range addrs {
		all[i] = addr.String()
	}
	return strings.Join(all, ", ")
}
