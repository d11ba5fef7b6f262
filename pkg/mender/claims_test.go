package mender_test

import (
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

func TestExpiresSoon(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	made := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name        string
		lasts, left time.Duration
		want        bool
	}{
		{"a session of a week, new", 7 * day, 7 * day, false},
		{"a session of a week, on its last day", 7 * day, day, true},
		{"a session of a week, before that", 7 * day, day + time.Second, false},
		{"a session of an hour, half over", time.Hour, time.Hour / 2, false},
		{"a session of an hour, almost over", time.Hour, 8 * time.Minute, true},
		{"a token of a year, a month before", 365 * day, 30 * day, false},
		{"a token of a year, in its last week", 365 * day, 7 * day, true},
		{"over", 7 * day, 0, false}, // the server refuses the token, and its error says why
	} {
		ends := made.Add(test.lasts)
		if got := (mender.Claims{IssuedAt: made, ExpiresAt: ends}).ExpiresSoon(ends.Add(-test.left)); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
	if (mender.Claims{IssuedAt: made}).ExpiresSoon(made) {
		t.Error("a token that never expires does so soon")
	}
}
