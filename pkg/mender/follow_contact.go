package mender

import (
	"errors"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
)

// NoticeKind says what a Notice is about.
type NoticeKind string

// The kinds of notices. Contact that is lost for less than a second or so,
// one failed request say, is not worth one.
const (
	// NoticeLost: the server does not answer, or fails: see Err. It is asked
	// again, and again.
	NoticeLost NoticeKind = "lost"
	// NoticeSlowed: the server asked not to be asked for some time: see For.
	NoticeSlowed NoticeKind = "slowed"
	// NoticeBack: after NoticeLost or NoticeSlowed all is well again. It took
	// For, and Events that arrived meanwhile come next.
	NoticeBack NoticeKind = "back"
	// NoticeGap: the Follower was away for longer than Mender keeps events,
	// a week: what was saved between From and To is gone.
	NoticeGap NoticeKind = "gap"
)

// Notice is what a Follower has to say beside events.
type Notice struct {
	Kind NoticeKind
	Err  error
	For  time.Duration
	// Events is how many new events that are wanted the look after it found.
	Events   int
	From, To time.Time
}

const (
	// firstTries is how often the server is asked before it has ever answered.
	firstTries = 5
	// quickRetry is the wait after a first failure, which may be a mishap.
	quickRetry = 500 * time.Millisecond
	// maxAsked is how much of a Retry-After is waited for; the server's may be
	// absurd. maxUnasked is the longest wait after a 429 without one.
	maxAsked, maxUnasked = 5 * time.Minute, 30 * time.Second
	// retention is how long Mender keeps events unless told otherwise.
	retention = 7 * 24 * time.Hour
)

// contact follows how well the server can be reached. Lengths of time are
// taken by the monotonic clock, which nobody sets.
type contact struct {
	interval time.Duration
	notice   func(Notice)
	ever     bool
	waited   bool // an attempt failed before the first answer
	failures int
	since    time.Time
	told     bool // the user knows that something is wrong
	back     time.Duration
}

func (c *contact) answered() {
	if c.told {
		c.back = max(time.Since(c.since), 1)
	}
	c.ever, c.told, c.failures = true, false, 0
}

// lookedAt ends a look that went well.
func (c *contact) lookedAt(events int) {
	if c.back > 0 {
		c.notice(Notice{Kind: NoticeBack, For: c.back, Events: events})
		c.back = 0
	}
}

// failed says how long to wait before asking again, if there is any use in it.
func (c *contact) failed(err error) (wait time.Duration, giveUp bool) {
	c.failures++
	if c.failures == 1 && c.back == 0 {
		c.since = time.Now()
	}
	var e *Error
	limited := errors.Is(err, ErrRateLimited)
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
		asked = min(c.interval<<min(c.failures, 8), maxUnasked)
	}
	wait = max(wait, min(asked, maxAsked))
	switch {
	case c.told || !c.ever && !limited:
	case asked > max(2*c.interval, 2*time.Second):
		c.told = true
		c.notice(Notice{Kind: NoticeSlowed, Err: err, For: wait})
	case c.failures > 1 && !limited:
		c.told = true
		c.notice(Notice{Kind: NoticeLost, Err: err})
	}
	return wait, false
}

// refused reports whether asking again can't help. A 404 may come from a
// gateway whose server starts anew.
func refused(e *Error) bool {
	switch e.StatusCode {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	var proxy *httpclient.ProxyError
	return errors.Is(e, ErrInsecure) || errors.As(e, &proxy) || e.StatusCode >= 400 && e.StatusCode < 500
}

// noticeGap says so when events may have expired unseen. An event that is as
// old as the last look proves that none has. A gap that takes several looks to
// catch up with is told once, by the first, which begins at the log's new end.
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
