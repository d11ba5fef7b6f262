package moment

import (
	"testing"
	"time"
)

func TestMomentsAreReadAsPeopleTypeThem(t *testing.T) {
	now := time.Date(2026, 11, 25, 9, 30, 0, 0, time.Local)
	day := func(d, h, m, s int) time.Time { return time.Date(2026, 11, d, h, m, s, 0, time.Local) }
	for text, want := range map[string]time.Time{
		"": {}, "now": now, "today": day(25, 0, 0, 0), "yesterday": day(24, 0, 0, 0),
		"90s": now.Add(-90 * time.Second), "1d": now.Add(-24 * time.Hour), "1w": now.Add(-7 * 24 * time.Hour),
		"1d12h": now.Add(-36 * time.Hour), "1w2d3h4m": now.Add(-(9*24+3)*time.Hour - 4*time.Minute), "0.5d": now.Add(-12 * time.Hour),
		"2026-11-23": day(23, 0, 0, 0), "2026-11-23T10:00:00": day(23, 10, 0, 0), "2026-11-23T10:00": day(23, 10, 0, 0),
		"2026-11-23 10:00": day(23, 10, 0, 0), "2026-11-23 10:00:05": day(23, 10, 0, 5),
		"2026-11-23T10:00:00Z": time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"2026-11-23 10:00:00Z": time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"11-23 10:00:05":       day(23, 10, 0, 5), "11-23 10:00": day(23, 10, 0, 0), "11-23": day(23, 0, 0, 0),
		"11-26 10:00":     day(26, 10, 0, 0).AddDate(-1, 0, 0),
		"11-23 10:00Z":    time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"11-23 10:00:05Z": time.Date(2026, 11, 23, 10, 0, 5, 0, time.UTC),
		"08:15":           day(25, 8, 15, 0), "08:15:07": day(25, 8, 15, 7), "10:00": day(24, 10, 0, 0),
	} {
		got, err := Parse("--since", text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"soon", "1y", "w", "d12h", "-1d", "1h1d", "2026-13-01", "25:00", "13-01 10:00"} {
		if got, err := Parse("--since", text, now); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
