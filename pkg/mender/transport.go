package mender

import (
	"net/http"
)

// maxRedirects is the largest number of redirects to follow.
const maxRedirects = 5

// checkRedirect follows only redirects of reads, and only within the same
// scheme, host and port: a token must not reach another host, and a redirected
// write may turn into a different request. A redirect that is not followed
// becomes the answer.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
