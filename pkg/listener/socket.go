package listener

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
)

// Inherited returns the sockets that systemd holds open for this process, so
// that no sender is refused during a restart. Call it once.
func Inherited() ([]net.Listener, error) {
	sockets, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over systemd's sockets: %w", err)
	}
	// A datagram socket is nil.
	return slices.DeleteFunc(sockets, func(l net.Listener) bool { return l == nil }), nil
}

// LoopbackOnly reports whether no other machine can reach the addresses.
func LoopbackOnly(addrs []net.Addr) bool {
	return !slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		return ok && !tcp.IP.IsLoopback()
	})
}

// Loops reports whether the target of events is one of the addresses that they
// are received on: each would go round until no connection can be opened.
func Loops(addrs []net.Addr, target *url.URL) bool {
	return slices.ContainsFunc(addrs, func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		return ok && port(target) == tcp.Port && isHost(target.Hostname(), tcp.IP)
	})
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

// isHost reports whether a name certainly is the address that is listened on.
func isHost(name string, listened net.IP) bool {
	ip := net.ParseIP(name)
	if name == "localhost" || ip.IsUnspecified() {
		ip = net.IPv4(127, 0, 0, 1)
	}
	return ip.Equal(listened) || ip.IsLoopback() && listened.IsUnspecified()
}
