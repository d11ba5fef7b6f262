package trigger

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Message returns the first request of the load, with the headers that Mender sets, without
// sending it.
func (l Load) Message() (webhook.Message, error) {
	event, err := l.Event()
	if err != nil {
		return webhook.Message{}, err
	}
	req, err := l.request(context.Background(), event)
	if err != nil {
		return webhook.Message{}, err
	}
	req.Header.Set("User-Agent", "Go-http-client/1.1")
	return webhook.NewMessage(req)
}

// Saved returns a request like a saved one to another receiver. It keeps the path of the
// saved one unless to has one.
func Saved(ctx context.Context, to *url.URL, m webhook.Message) (*http.Request, error) {
	u := *to
	if u.Path == "" || u.Path == "/" {
		u.Path, u.RawQuery, _ = strings.Cut(m.Path, "?")
	}
	req, err := webhook.NewRequest(ctx, u.String(), m.Body, webhook.Secret{})
	if err == nil {
		req.Header = sendable(m.Header)
	}
	return req, err
}

// sendable returns the headers of a saved request. It leaves out the headers of
// the original connection, and credentials that were masked when the request was
// saved.
func sendable(header http.Header) http.Header {
	out := http.Header{}
	for name, values := range header {
		masked := slices.ContainsFunc(values, func(v string) bool { return strings.HasSuffix(v, "***") })
		switch name {
		case "Host", "Content-Length", "Connection", "Transfer-Encoding":
		default:
			if !masked {
				out[name] = values
			}
		}
	}
	return out
}
