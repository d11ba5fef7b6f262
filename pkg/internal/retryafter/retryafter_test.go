package retryafter

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterIsReadByTheAnswersOwnClock(t *testing.T) {
	const at = "Wed, 25 Nov 2026 10:01:00 GMT"
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		value, date string
		want        time.Duration
	}{
		"none":             {"", "", 0},
		"seconds":          {"7", "", 7 * time.Second},
		"absurd":           {"99999999999999999999", "", maxSeconds * time.Second},
		"negative":         {"-5", "", 0},
		"a word":           {"soon", "", 0},
		"dated, own clock": {at, "Wed, 25 Nov 2026 10:00:20 GMT", 40 * time.Second},
		"dated, past":      {at, "Wed, 25 Nov 2026 10:02:00 GMT", 0},
		"dated, no Date":   {at, "", 2*time.Hour + time.Minute},
		"dated, bad Date":  {at, "yesterday", 2*time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Retry-After": {test.value}, "Date": {test.date}}
			if got := Parse(h, now); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
