package eventlog

import (
	"errors"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// NoticeKind is the subject of a Notice.
type NoticeKind string

// The kinds of notices. Losing contact for about a second, such as for one
// failed request, causes no notice.
const (
	// NoticeLost means that the server fails or does not answer: see Err. The
	// Follower keeps trying.
	NoticeLost NoticeKind = "lost"
	// NoticeSlowed means that the server asked for a pause: see For.
	NoticeSlowed NoticeKind = "slowed"
	// NoticeBack means that the Follower recovered from NoticeLost or NoticeSlowed:
	// see For and Events.
	NoticeBack NoticeKind = "back"
	// NoticeGap means that the Follower was away for longer than Mender retains
	// events, which is a week: events saved between From and To are lost.
	NoticeGap NoticeKind = "gap"
)

// Notice is news about the connection.
type Notice struct {
	Kind NoticeKind
	Err  error
	For  time.Duration
	// Events is how many matching events the next poll found.
	Events   int
	From, To time.Time
}

const (
	// firstTries is how many attempts are made if the server has never
	// answered.
	firstTries = 5
	// quickRetry is the wait after the first failure.
	quickRetry = 500 * time.Millisecond
	// maxRetryAfter caps the wait that the server asks for with Retry-After.
	// maxRateLimitWait is the longest wait after a 429 without Retry-After.
	maxRetryAfter, maxRateLimitWait = 5 * time.Minute, 30 * time.Second
	// retention is how long Mender retains events by default.
	retention = 7 * 24 * time.Hour
)

// contact tracks whether the server can be reached. It measures durations with
// the monotonic clock, so that setting the clock does not matter.
type contact struct {
	interval  time.Duration
	notice    func(Notice)
	ever      bool // the server has answered
	waited    bool // an attempt failed before the first answer
	failures  int
	since     time.Time
	announced bool // the user has been notified of the problem
	back      time.Duration
}

func (c *contact) answered() {
	if c.announced {
		c.back = max(time.Since(c.since), 1)
	}
	c.ever, c.announced, c.failures = true, false, 0
}

// recovered announces that the server is back, once a look has succeeded.
func (c *contact) recovered(events int) {
	if c.back > 0 {
		c.notice(Notice{Kind: NoticeBack, For: c.back, Events: events})
		c.back = 0
	}
}

// failed returns how long to wait before the next attempt. giveUp means that
// another attempt cannot succeed.
func (c *contact) failed(err error) (wait time.Duration, giveUp bool) {
	c.failures++
	if c.failures == 1 && c.back == 0 {
		c.since = time.Now()
	}
	var e *mender.Error
	limited := errors.Is(err, mender.ErrRateLimited)
	if !errors.As(err, &e) || refused(e) || !c.ever && !limited && c.failures >= firstTries {
		return 0, true
	}
	c.waited = c.waited || !c.ever
	wait = c.interval
	if !c.ever || c.failures == 1 {
		wait = min(wait, quickRetry)
	}
	asked := e.RetryAfter
	if asked == 0 && limited {
		asked = min(c.interval<<min(c.failures, 8), maxRateLimitWait)
	}
	wait = max(wait, min(asked, maxRetryAfter))
	switch {
	case c.announced || !c.ever && !limited:
	case asked > max(2*c.interval, 2*time.Second):
		c.announced = true
		c.notice(Notice{Kind: NoticeSlowed, Err: err, For: wait})
	case c.failures > 1 && !limited:
		c.announced = true
		c.notice(Notice{Kind: NoticeLost, Err: err})
	}
	return wait, false
}

// refused reports whether another attempt would be refused, too. A 404 does not
// count, since it may come from a gateway whose server is restarting.
func refused(e *mender.Error) bool {
	switch e.StatusCode {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	var proxy *httpclient.ProxyError
	return errors.Is(e, mender.ErrInsecure) || errors.As(e, &proxy) || e.StatusCode >= 400 && e.StatusCode < 500
}

// noticeGap announces that events may have expired before they were read. An
// event at least as old as the last look proves that none has expired. If it
// takes several looks to catch up, only the first one, which reads the newest
// events, announces the gap.
func (f *Follower) noticeGap(l *look) {
	now := l.serverTime
	if now.IsZero() {
		now = l.newest
	}
	if f.readAt.IsZero() || f.catchingUp || !l.ended || now.Sub(f.readAt) <= retention {
		return
	}
	to := l.oldest
	if to.IsZero() {
		to = now
	}
	if to.After(f.readAt) {
		f.opt.Notice(Notice{Kind: NoticeGap, From: f.readAt, To: to})
	}
}
