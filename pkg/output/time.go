package output

import (
	"fmt"
	"time"
)

// Time formats a time in seconds: in local time, or in UTC with a Z. The zero time
// is "-".
func Time(t time.Time, utc bool) string {
	switch {
	case t.IsZero():
		return "-"
	case utc:
		return t.UTC().Format("2006-01-02 15:04:05Z")
	default:
		return t.Local().Format(time.DateTime)
	}
}

// Duration formats a duration with its one or two largest units: "850ms", "42s",
// "3m10s", "5h2m", "6d4h".
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return units(d, time.Minute, "m", time.Second, "s")
	case d < day:
		return units(d, time.Hour, "h", time.Minute, "m")
	default:
		return units(d, day, "d", time.Hour, "h")
	}
}

// Milliseconds returns a duration in milliseconds with three decimals, for JSON.
func Milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, smallName)
	}
	return text
}
