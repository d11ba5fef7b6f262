// Package urls decides which URLs a client can send a request to, and which
// parts of a URL may be shown.
package urls

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse reads an absolute http or https URL and checks that a client can send
// a request to it. The error quotes nothing that may be a password.
func Parse(text string) (*url.URL, error) {
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return nil, errors.New("the URL contains white space")
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the URL is not UTF-8") // JSON would alter it
	}
	u, err := url.Parse(text)
	if err != nil {
		if strings.Contains(text, "@") || strings.Contains(Cause(err).Error(), "invalid port") {
			return nil, errors.New("invalid URL") // the cause may quote a password
		}
		return nil, fmt.Errorf("invalid URL: %w", Cause(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL must begin with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	}
	if err := checkPort(u.Port()); err != nil {
		return nil, err
	}
	if err := checkHost(u.Hostname()); err != nil {
		return nil, err
	}
	return u, nil
}

func checkPort(port string) error {
	if port == "" {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("invalid port %s: must be between 1 and 65535", port)
	}
	return nil
}

// Longest name and label that the domain name system allows, in bytes.
const (
	maxName  = 253
	maxLabel = 63
)

func checkHost(host string) error {
	if strings.Contains(host, ":") {
		return nil // an IPv6 address, which url.Parse has checked
	}
	name := strings.TrimSuffix(host, ".")
	if len(name) > maxName {
		return fmt.Errorf("invalid host: longer than %d characters", maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return fmt.Errorf("invalid host %q: a part between dots is empty", host)
		case len(label) > maxLabel:
			return fmt.Errorf("invalid host %q: a part between dots is longer than %d characters", host, maxLabel)
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return fmt.Errorf("invalid host %q: a part between dots begins or ends with a hyphen", host)
		case strings.ContainsFunc(label, notInName):
			return fmt.Errorf("invalid host %q: use letters, digits, hyphens and dots", host)
		}
	}
	// No top-level domain is a number, so this is meant to be an address.
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		if _, err := netip.ParseAddr(name); err != nil {
			return fmt.Errorf("invalid host %q: not an IPv4 address", host)
		}
	}
	return nil
}

// notInName leaves names outside ASCII to the resolver.
func notInName(r rune) bool {
	return r < 0x80 && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// Cause returns the error inside a url.Error, whose own text quotes the whole
// URL, and any other error as it is.
func Cause(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// Public returns a URL without its user, password, query and fragment, any of
// which may be secret.
func Public(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = nil, "", false, "", ""
	return shown.String()
}

// IsLoopback reports whether host, with or without a port, is this machine.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
