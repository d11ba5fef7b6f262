package httptarget

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/urls"
)

// ParseURL parses the address to send events to. It is a URL or a short form: a
// port ("3000") or a port and path (":3000/hook") on this machine, or a host and
// port ("localhost:3000"). A trailing line break is ignored. The error quotes
// nothing that may be a password.
func ParseURL(text string) (*url.URL, error) {
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return nil, errors.New("empty address: pass a port, such as 3000, or a URL")
	}
	whole, isShort := text, !strings.Contains(text, "://")
	if isShort {
		whole = "http://" + withHost(text)
	}
	u, err := urls.Parse(whole)
	switch {
	case err != nil:
		return nil, err
	case u.Fragment != "":
		return nil, errors.New("the URL has a fragment (#), which is never sent: remove it")
	case u.Port() == "" && isShort:
		return nil, fmt.Errorf("%q has no port: add one, such as %s, or pass a full URL, such as %s",
			u.Hostname(), net.JoinHostPort(u.Hostname(), "3000"), "http://"+u.Host)
	}
	return u, nil
}

// withHost turns "3000/x" and ":3000/x" into "localhost:3000/x".
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
