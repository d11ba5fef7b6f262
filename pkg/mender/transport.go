package mender

import (
	"net/http"
)

// maxRedirects is how many redirects within the server are followed.
const maxRedirects = 5

// checkRedirect follows a redirect of a read within the same scheme, host and
// port, and no other: a token must not reach another host, and a repeated
// write may turn into something else. A redirect not followed is the answer.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
