// Package moment reads the durations and times that people type.
package moment

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// ParseAge parses a duration in Go's syntax, optionally preceded by weeks and days,
// such as 90s, 2h, 7d, 1w or 1d12h.
func ParseAge(text string) (time.Duration, error) {
	total, rest := 0.0, text
	for _, unit := range []struct {
		name  string
		hours float64
	}{{"w", 7 * 24}, {"d", 24}} {
		number, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("invalid duration %q", text)
		}
		total, rest = total+n*unit.hours, after
	}
	days := time.Duration(total * float64(time.Hour))
	if rest == "" && text != "" {
		return days, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("invalid duration %q", text)
	}
	return days + d, nil
}

// Parse returns the time that a text names: an age before now, a time in RFC 3339, a date or time in the
// format of the tables, or one of the words yesterday, today and now. Times are
// local unless they have a zone. A time without a year or a date is its most recent
// occurrence. Empty text is the zero time. Other text is a usage error that names flag.
func Parse(flag, text string, now time.Time) (time.Time, error) {
	local := now.Local()
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.Local)
	switch text {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if age, err := ParseAge(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", time.DateTime, "2006-01-02 15:04", time.DateOnly,
	} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	for _, layout := range []string{"15:04:05Z07:00", time.TimeOnly, "15:04"} {
		at, err := time.ParseInLocation("2006-01-02 "+layout, local.Format(time.DateOnly)+" "+text, time.Local)
		if err == nil {
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", time.DateTime, "2006-01-02 15:04Z07:00", "2006-01-02 15:04", time.DateOnly} {
		for _, year := range []int{local.Year(), local.Year() - 1} {
			at, err := time.ParseInLocation(layout, fmt.Sprintf("%d-%s", year, text), time.Local)
			if err == nil && !at.After(now) {
				return at, nil
			}
		}
	}
	return time.Time{}, fault.WithHint(fault.Usagef("invalid %s %q: must be an age or a time", flag, text),
		"write an age such as 90s, 2h, 1d12h or 1w, or a time such as 2026-11-23, 2026-11-23T10:00, 10:00 or yesterday")
}
