package mender

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// clock tracks how far the server's clock is ahead of this machine's.
type clock struct {
	now   func() time.Time
	known atomic.Bool
	skew  atomic.Int64 // nanoseconds that the server is ahead
}

// observe updates the skew from an answer's Date header, which is truncated to the
// second. took is the time since the request was sent. Of all offsets that are
// consistent with both, observe records the one closest to zero, so that a clock
// that may be correct counts as correct.
func (c *clock) observe(h http.Header, took time.Duration) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	// The server's time was in [date, date+1s) at some moment since the request.
	now := c.now()
	low, high := date.Sub(now), date.Add(time.Second).Sub(now.Add(-took))
	skew := min(max(0, low), high)
	c.skew.Store(int64(skew))
	c.known.Store(true)
}

// ClockSkew returns how far the server's clock is ahead of this machine's, or
// false if there was no answer yet. It is negative if the server's clock is
// behind. It comes from the Date header of the last answer, so it is accurate to
// about a second.
func (c *Client) ClockSkew() (time.Duration, bool) {
	return time.Duration(c.clock.skew.Load()), c.clock.known.Load()
}

// ServerTime returns the time by the server's clock. If there was no answer yet,
// it first requests one event to learn the time.
func (c *Client) ServerTime(ctx context.Context) (time.Time, error) {
	if !c.clock.known.Load() {
		if _, err := c.eventsPage(ctx, "get the server's time", "", 1, 1); err != nil {
			return time.Time{}, err
		}
	}
	skew, _ := c.ClockSkew()
	return c.clock.now().Add(skew), nil
}
