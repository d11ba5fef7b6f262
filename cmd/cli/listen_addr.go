package cli

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
)

// ListenAddress reads where to listen: HOST:PORT, or the port alone, which
// then is this machine's, as it is where an address to send to is given.
func ListenAddress(flag, text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "127.0.0.1", text
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", Hinted(Usagef("%s %q is no address to listen on", flag, text),
			"write it as HOST:PORT, such as 127.0.0.1:8090; ports go up to 65535, and 0 takes a free one")
	}
	return net.JoinHostPort(host, port), nil
}

// ListenOn opens the address of a flag, which listenAddress has read.
func ListenOn(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	hint := flag + " chooses another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program listens there already; " + hint + ", and with port 0 a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this machine has no such address: 127.0.0.1 is for programs on this machine, 0.0.0.0 for others too"
	case errors.Is(err, syscall.EACCES):
		hint = "ports below 1024 are for the administrator; " + hint
	}
	var cause *net.OpError
	if errors.As(err, &cause) {
		err = cause.Err // the rest repeats the address
	}
	return nil, Hinted(Failf(ExitFailed, "listen on %s: %w", address, err), "%s", hint)
}
