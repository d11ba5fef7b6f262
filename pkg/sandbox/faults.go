package sandbox

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// faults makes the management API slower and less reliable on request.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	counts map[string]int // requests since the interval began, by user
	since  time.Time
}

func newFaults(o Options) *faults {
	return &faults{random: rand.New(o.random("faults")), counts: map[string]int{}}
}

// hits reports at random whether a fault happens, with a probability of 0 to 1.
func (f *faults) hits(share float64) bool {
	if share == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Float64() < share
}

// fault delays the request and may answer it with an error.
func (s *Sandbox) fault(c *call) (answered bool) {
	if s.opts.Latency > 0 {
		timer := time.NewTimer(s.opts.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	if s.opts.FailRate == 0 {
		return false
	}
	s.faults.mu.Lock()
	fails, kind := s.faults.random.Float64() < s.opts.FailRate, s.faults.random.IntN(4)
	s.faults.mu.Unlock()
	if !fails {
		return false
	}
	switch kind {
	case 0:
		c.fail(http.StatusInternalServerError, "internal error")
	case 1: // from a gateway, without a request id
		c.w.Header().Del(headerRequestID)
		c.plain(http.StatusServiceUnavailable, "Service Unavailable")
	case 2:
		c.limit(time.Second)
	default:
		panic(http.ErrAbortHandler) // closes the connection
	}
	return true
}

// limited counts the requests of a user, and answers those beyond the limit.
func (s *Sandbox) limited(c *call) bool {
	if s.opts.RateLimit == 0 {
		return false
	}
	user := "" // a login
	if c.account != nil {
		user = c.account.id
	}
	now, f := s.now(), s.faults
	f.mu.Lock()
	if now.Sub(f.since) >= s.opts.RateInterval || now.Before(f.since) {
		clear(f.counts)
		f.since = now
	}
	f.counts[user]++
	over, wait := f.counts[user] > s.opts.RateLimit, f.since.Add(s.opts.RateInterval).Sub(now)
	f.mu.Unlock()
	if over {
		c.limit(wait)
	}
	return over
}

// limit answers 429 with Retry-After in whole seconds.
func (c *call) limit(wait time.Duration) {
	seconds := int((wait + time.Second - 1) / time.Second)
	c.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	c.fail(http.StatusTooManyRequests, "rate limit exceeded")
}
