package receiver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// ParseTarget reads where events are to be forwarded: a URL, or short for one
// on this machine: a port ("3000"), a port and path (":3000/hook"), or a host
// and port ("localhost:3000"). The error says what is wrong, without quoting
// what may hold a password.
func ParseTarget(text string) (*url.URL, error) {
	whole := strings.TrimSpace(text)
	if whole == "" {
		return nil, errors.New("no address to forward to: give a port, such as 3000, or a URL")
	}
	if !strings.Contains(whole, "://") {
		whole = "http://" + withHost(whole)
	}
	u, err := url.Parse(whole)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // which does not quote the URL
		}
		return nil, fmt.Errorf("the address to forward to is no URL: %w", err)
	}
	if err := checkTarget(u, strings.Contains(text, "://")); err != nil {
		return nil, err
	}
	return u, nil
}

// withHost makes "localhost:3000/x" of "3000/x" and ":3000/x".
func withHost(text string) string {
	host, _, _ := strings.Cut(text, "/")
	if strings.HasPrefix(host, ":") {
		return "localhost" + text
	}
	if host != "" && strings.Trim(host, "0123456789") == "" {
		return "localhost:" + text
	}
	return text
}

func checkTarget(u *url.URL, full bool) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("can't forward to a %s: URL: it has to be http or https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("the URL to forward to names no host")
	case u.Fragment != "":
		return errors.New("the URL to forward to has a fragment (#), which is never sent: leave it out")
	case u.Port() == "" && !full:
		return fmt.Errorf("%q names no port: write a port, such as %s, or a whole URL, such as %s",
			u.Hostname(), net.JoinHostPort(u.Hostname(), "3000"), "http://"+u.Host)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("can't forward to port %s: it has to be between 1 and 65535", p)
		}
	}
	return nil
}
