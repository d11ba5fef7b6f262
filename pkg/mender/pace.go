package mender

import (
	"net/http"
	"sync"
	"time"
)

// pacer leaves at least the time every between the starts of two requests.
type pacer struct {
	next  http.RoundTripper
	every time.Duration

	mu   sync.Mutex
	free time.Time // when the next request may start
}

// RoundTrip implements http.RoundTripper.
func (p *pacer) RoundTrip(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	now := time.Now()
	at := now
	if p.free.After(now) {
		at = p.free
	}
	p.free = at.Add(p.every)
	p.mu.Unlock()
	if wait := at.Sub(now); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return p.next.RoundTrip(req)
}
