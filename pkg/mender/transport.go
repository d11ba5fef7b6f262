package mender

import (
	"net/http"
)

// maxRedirects bounds the redirects that are followed.
const maxRedirects = 5

// checkRedirect follows redirects of reads within the same scheme, host and
// port: a token must not reach another host, and a repeated write may turn into
// something else. A redirect that is not followed is the answer.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
