package mender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Raw calls an endpoint of the management API that has no method of its own, and
// returns the body of the answer. path is an absolute path on the server, and
// may include a query. body is JSON, or nil to send none. Only GET and HEAD are
// retried. If the status is 300 or above, Raw returns the body together with an
// *Error.
//
// Raw refuses paths that point outside the server. It also refuses to log out, since
// that would revoke a personal access token.
func (c *Client) Raw(ctx context.Context, method, path string, body json.RawMessage) ([]byte, error) {
	if err := checkRaw(method, path); err != nil {
		return nil, err
	}
	u, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	k := &call{
		op: "call the API", method: method, path: u.EscapedPath(), query: u.Query(),
		once: method != http.MethodGet && method != http.MethodHead,
	}
	for status := http.StatusOK; status < http.StatusMultipleChoices; status++ {
		k.accept = append(k.accept, status)
	}
	if body != nil {
		k.body = body
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return k.answer, err
	}
	return resp.Body(), nil
}

// checkRaw returns an error if Raw refuses the method or the path.
func checkRaw(method, path string) error {
	u, err := url.Parse(path)
	switch {
	case !slices.Contains(RawMethods(), method):
		return fmt.Errorf("invalid method %q: must be one of %s", method, strings.Join(RawMethods(), ", "))
	case err != nil:
		return fmt.Errorf("invalid path %q: %w", path, errors.Unwrap(err))
	case !strings.HasPrefix(path, "/") || u.Scheme != "" || u.Host != "" || u.Fragment != "":
		return fmt.Errorf("invalid path %q: must be an absolute path on the server, such as /api/management/v1/useradm/users", path)
	case strings.Contains(u.Path, "//"), strings.Contains(u.Path, `\`),
		slices.Contains(strings.Split(u.Path, "/"), ".."), slices.Contains(strings.Split(u.Path, "/"), "."):
		return fmt.Errorf("invalid path %q: // and the segments . and .. are not allowed", path)
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), useradm+"/auth/logout"):
		return errors.New("ending a session this way would revoke a personal access token")
	}
	return nil
}

// RawMethods returns the HTTP methods that Raw accepts.
func RawMethods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}
