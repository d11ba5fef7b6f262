package httptarget

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// CheckHeader returns an error if a header cannot be set on each request: if it is not
// valid in HTTP, belongs to the connection, or describes or signs the body, which is
// up to the event and its format. The error does not quote the value.
func CheckHeader(name, value string) error {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case name == "" || strings.Trim(name, headerCharacters) != "":
		return fmt.Errorf("%q is not the name of a header", name)
	case target.IsHopByHop(canonical):
		return fmt.Errorf("the header %s cannot be set: it belongs to the connection", canonical)
	case describesBody(canonical):
		return fmt.Errorf("the header %s cannot be set: the event and its format determine it", canonical)
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("the header %s is empty", canonical)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("the header %s has a line break or another control character", canonical)
	}
	return nil
}

// headerCharacters are the characters of a header's name.
const headerCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

// describesBody reports whether a header says what the body is, or signs it.
func describesBody(name string) bool {
	for _, prefix := range []string{"Content-", "X-Men-", "X-Mender-Webhooks-", "Webhook-", "Ce-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// header returns a copy of Options.Header under canonical names.
func (o *Options) header() (http.Header, error) {
	header := make(http.Header, len(o.Header))
	for name, values := range o.Header {
		for _, value := range values {
			if err := CheckHeader(name, value); err != nil {
				return nil, err
			}
			header.Add(name, value)
		}
	}
	if header.Get("Authorization") != "" && o.URL.User != nil {
		return nil, errors.New("the URL has a user, so the header Authorization cannot be set")
	}
	return header, nil
}

// secretsOf returns the values of configured headers, and the part of a value that
// follows an authentication scheme.
func secretsOf(header http.Header) []string {
	var found []string
	for _, values := range header {
		for _, value := range values {
			found = append(found, value)
			if _, rest, ok := strings.Cut(value, " "); ok {
				found = append(found, rest)
			}
		}
	}
	return found
}

// masked returns the answer without the configured headers' values, which an
// application may repeat.
func (t *Target) masked(a *target.Answer) *target.Answer {
	if len(t.secrets) == 0 {
		return a
	}
	header := make(http.Header, len(a.Header))
	for name, values := range a.Header {
		for _, value := range values {
			header[name] = append(header[name], redact.Known(value, t.secrets...))
		}
	}
	return &target.Answer{Header: header, Body: []byte(redact.Known(string(a.Body), t.secrets...))}
}
