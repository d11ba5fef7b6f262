package sandbox

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// Server serves a Sandbox over HTTP.
type Server struct {
	// URL is the base URL of the API.
	URL string
	// Failed receives an error if serving ends before Close. Close closes it.
	Failed <-chan error

	srv *http.Server
}

// Serve starts to serve the sandbox on a listener.
func (s *Sandbox) Serve(l net.Listener) *Server {
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return &Server{URL: "http://" + l.Addr().String(), Failed: failed, srv: srv}
}

// Close cancels requests in progress and stops serving. The sandbox stays usable.
func (s *Server) Close() error {
	return errors.Join(s.srv.Close(), <-s.Failed)
}
