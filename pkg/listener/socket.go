package listener

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// Inherited returns the sockets that systemd holds open for this process, so
// that no connection is refused during a restart. Call it only once.
func Inherited() ([]net.Listener, error) {
	sockets, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("use the sockets passed by systemd: %w", err)
	}
	// A datagram socket is nil.
	return slices.DeleteFunc(sockets, func(l net.Listener) bool { return l == nil }), nil
}

// LoopbackOnly reports whether only this machine can reach the addresses.
func LoopbackOnly(addrs []net.Addr) bool {
	return !slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		return ok && !tcp.IP.IsLoopback()
	})
}

// Loops reports whether the target is one of the addresses on which events are
// received. Each event would then be forwarded in a loop until no more
// connections can be opened.
func Loops(addrs []net.Addr, target *url.URL) bool {
	return slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		return ok && port(target) == tcp.Port && isHost(target.Hostname(), tcp.IP)
	})
}

// Reach is whether a webhook's URL leads to the addresses on which events are received.
type Reach int

// The values. A URL with the name of another machine may lead here through a proxy.
const (
	ReachUnknown Reach = iota
	ReachesHere
	ReachesElsewhere
)

// ReachOf returns whether a webhook's URL leads from a Mender server to the addresses.
// path is the only path on which events are received, or empty.
func ReachOf(server string, webhook *url.URL, addrs []net.Addr, path string) Reach {
	here := Loops(addrs, webhook)
	loopback := urls.IsLoopback(webhook.Hostname()) || net.ParseIP(webhook.Hostname()).IsUnspecified()
	if from, err := url.Parse(server); err == nil && loopback && !urls.IsLoopback(from.Hostname()) {
		here = false // the URL leads to the server's machine
	}
	switch {
	case here && (path == "" || path == webhook.Path):
		return ReachesHere
	case here, loopback:
		return ReachesElsewhere
	}
	return ReachUnknown
}

func port(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// isHost reports whether a host name is certain to reach the listening address.
func isHost(name string, listened net.IP) bool {
	ip := net.ParseIP(name)
	if name == "localhost" || ip.IsUnspecified() {
		ip = net.IPv4(127, 0, 0, 1)
	}
	return ip.Equal(listened) || ip.IsLoopback() && listened.IsUnspecified()
}
