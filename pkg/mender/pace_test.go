package mender

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestRequestsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		c, err := New(Options{Rate: 4, Transport: carrier(func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(begin))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"count":1}`))}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := c.CountDevices(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
		if len(at) != 3 || at[0] != 0 || at[1] != 250*time.Millisecond || at[2] != 500*time.Millisecond {
			t.Errorf("requests at %v, want 250 ms apart", at)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.CountDevices(ctx, ""); err == nil || len(at) != 3 {
			t.Errorf("a canceled request was sent: %v", err)
		}
	})
}
