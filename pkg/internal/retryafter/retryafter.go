// Package retryafter reads the Retry-After header of an HTTP answer.
package retryafter

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxSeconds is the longest pause returned, in seconds: more overflows a Duration.
const maxSeconds = 1 << 30

// Parse returns the pause that an answer asks for, given in seconds or as a
// date, or 0 if it asks for none. A date is compared with the answer's own
// Date, since the two clocks may differ, or with now if the answer has no Date.
func Parse(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, maxSeconds)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, at.Sub(now)), maxSeconds*time.Second)
}
