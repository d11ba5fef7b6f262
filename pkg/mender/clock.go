package mender

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// clock follows how far the server's clock is from this machine's.
type clock struct {
	now   func() time.Time
	known atomic.Bool
	skew  atomic.Int64 // nanoseconds that the server is ahead
}

// observe takes an answer's Date, which is cut to the second, together with
// how long it was under way. Of the offsets that these allow the smallest is
// taken, so that a clock that is right stays so.
func (c *clock) observe(h http.Header, took time.Duration) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	// The server's time was in [date, date+1s) at some moment since it was sent.
	now := c.now()
	low, high := date.Sub(now), date.Add(time.Second).Sub(now.Add(-took))
	skew := min(max(0, low), high)
	c.skew.Store(int64(skew))
	c.known.Store(true)
}

// ClockSkew returns how far the server's clock is ahead of this machine's,
// negative if it is behind, as its last answer showed; false before the first
// one. The Date header it comes from has a resolution of a second.
func (c *Client) ClockSkew() (time.Duration, bool) {
	return time.Duration(c.clock.skew.Load()), c.clock.known.Load()
}

// ServerTime returns the time by the server's clock. It asks the server for
// one event where no answer has told the time yet.
func (c *Client) ServerTime(ctx context.Context) (time.Time, error) {
	if !c.clock.known.Load() {
		if _, err := c.eventsPage(ctx, "ask the server for its time", "", 1, 1); err != nil {
			return time.Time{}, err
		}
	}
	skew, _ := c.ClockSkew()
	return c.clock.now().Add(skew), nil
}
