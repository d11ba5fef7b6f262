package output

import (
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 5, 999, time.FixedZone("", 3600))
	if got, want := Time(at, true), "2026-11-23 09:00:05Z"; got != want {
		t.Errorf("UTC: %q, want %q", got, want)
	}
	if got, want := Time(at, false), at.Local().Format("2006-01-02 15:04:05"); got != want {
		t.Errorf("local: %q, want %q", got, want)
	}
	if got := Time(time.Time{}, true); got != "-" {
		t.Errorf("no time: %q", got)
	}
}

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                                  "0s",
		1500 * time.Microsecond:            "2ms",
		850 * time.Millisecond:             "850ms",
		time.Second - 1:                    "1s",
		42*time.Second + 600e6:             "42s",
		time.Minute:                        "1m",
		3*time.Minute + 10*time.Second:     "3m10s",
		5*time.Hour + 2*time.Minute:        "5h2m",
		6*day + 4*time.Hour + time.Minute:  "6d4h",
		-(2*time.Hour + 1*time.Nanosecond): "-2h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}
