package eventlog

import (
	"cmp"
	"slices"
	"time"
)

const (
	// periods is the largest number of periods to divide a time into.
	periods = 24
	// A gap is a time without events that is at least gapFactor times the
	// median, and at least shortestGap. At most mostGaps are reported.
	gapFactor   = 10
	shortestGap = time.Minute
	mostGaps    = 5
)

// periodWidth returns the shortest round duration with which at most the allowed
// number of periods cover the whole time.
func periodWidth(whole time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, width := range []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day,
	} {
		if whole <= periods*width {
			return width
		}
	}
	return (whole/periods/day + 1) * day
}

// overTime counts deliveries by period. The first period may begin before from,
// and the last may end after to.
func (c *collector) overTime(from, to time.Time) []PeriodStats {
	all := []PeriodStats{}
	if from.IsZero() || !from.Before(to) {
		return all
	}
	width := periodWidth(to.Sub(from))
	i := 0
	for at := from.UTC().Truncate(width); at.Before(to); at = at.Add(width) {
		p := PeriodStats{From: at, To: at.Add(width)}
		for ; i < len(c.outcomes) && c.outcomes[i].at.Before(p.To); i++ {
			p.Deliveries++
			if c.outcomes[i].failed {
				p.Failures++
			}
		}
		all = append(all, p)
	}
	return all
}

// gaps returns the longest gaps, oldest first.
func (c *collector) gaps(from, to time.Time) []Gap {
	gaps := []Gap{}
	if len(c.times) == 0 {
		return gaps
	}
	between := make([]time.Duration, 0, len(c.times))
	for i := 1; i < len(c.times); i++ {
		between = append(between, c.times[i].Sub(c.times[i-1]))
	}
	slices.Sort(between)
	least := shortestGap
	if n := len(between); n > 0 {
		least = max(least, gapFactor*between[n/2])
	}
	last := from
	for _, at := range append(slices.Clone(c.times), to) {
		if length := at.Sub(last); length >= least {
			gaps = append(gaps, Gap{last, at, length.Seconds()})
		}
		last = at
	}
	slices.SortStableFunc(gaps, func(a, b Gap) int { return cmp.Compare(b.Seconds, a.Seconds) })
	gaps = gaps[:min(len(gaps), mostGaps)]
	slices.SortFunc(gaps, func(a, b Gap) int { return a.From.Compare(b.From) })
	return gaps
}
