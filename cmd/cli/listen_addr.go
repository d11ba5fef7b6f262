package cli

import (
	"context"
	"errors"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"net"
	"strconv"
	"syscall"
)

// ListenAddress parses the address to listen on: HOST:PORT, or only a port, for
// which the host is 127.0.0.1.
func ListenAddress(flag, text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "127.0.0.1", text
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", Hinted(Usagef("invalid %s %q: must be HOST:PORT", flag, text),
			"use an address such as 127.0.0.1:8090, with a port up to 65535 or 0 for a free one")
	}
	return net.JoinHostPort(host, port), nil
}

// ListenOn listens on an address that ListenAddress returned for a flag.
func ListenOn(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	hint := "choose another address with " + flag
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program is already listening there: " + hint + ", or port 0 for a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this machine has no such address: use 127.0.0.1 to accept only local programs, or 0.0.0.0 to accept other machines, too"
	case errors.Is(err, syscall.EACCES):
		hint += ": ports below 1024 require root"
	}
	var cause *net.OpError
	if errors.As(err, &cause) {
		err = cause.Err // the outer error repeats the address
	}
	return nil, Hinted(Failf(fault.Failed, "listen on %s: %w", address, err), "%s", hint)
}
