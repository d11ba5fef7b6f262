package eventlog

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestFollowResumesAfterServerClockSetBack stops and resumes while the server's
// clock is set back, by less and by more than the remembered ids reach.
func TestFollowResumesAfterServerClockSetBack(t *testing.T) {
	for _, test := range []struct{ by, away time.Duration }{
		{2 * time.Minute, time.Second}, {5 * time.Minute, 7 * time.Minute}, {2 * time.Hour, time.Minute},
	} {
		t.Run(fmt.Sprintf("by %s, away for %s", test.by, test.away), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				h := newHostile(17, 2600, time.Second)
				back := start.Add(25 * time.Minute)
				h.setBack(back, test.by)
				plan, end := h.plan, h.end().Add(10*time.Second)
				var state *FollowState
				got := newFollowed(t)
				run := func(until time.Time) {
					ctx, cancel := context.WithDeadline(t.Context(), until)
					defer cancel()
					got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{
						Query: Query{Since: start}, Resume: state,
						Checkpoint: func(s FollowState) error { state = throughJSON(t, s); return nil },
					}))
				}
				run(back.Add(-time.Second))
				time.Sleep(test.away)
				run(time.Now().Add(time.Minute))
				run(end)
				got.missed(plan)
			})
		})
	}
}

// TestFollowLeavesABurstBehind counts the requests after a burst of 4,000 events.
// Mender may limit requests to 300 a minute.
func TestFollowLeavesABurstBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHostile(19, 4000, time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		minutes := map[int]int{}
		c := h.client(nil)
		h.asked = func() { minutes[int(time.Since(start)/time.Minute)]++ }
		got := newFollowed(t)
		plan := h.plan
		got.follow(ctx, mustFollow(t, c, FollowOptions{Query: Query{Since: start}}))
		got.missed(plan)
		t.Logf("requests by minute: %v", minutes)
		if minutes[0] > 200 || minutes[2] > 31 || minutes[3] > 31 {
			t.Errorf("requests by minute: %v", minutes)
		}
	})
}

// TestFollowThatHadToWait checks that a refused first look is reported, and that
// events that arrive meanwhile count as new.
func TestFollowThatHadToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHostile(23, 900, 200*time.Millisecond)
		plan := h.plan
		time.Sleep(time.Minute)
		begun := time.Now()
		h.limited = begun.Add(time.Minute)
		var kinds []NoticeKind
		ctx, cancel := context.WithDeadline(t.Context(), h.end().Add(10*time.Second))
		defer cancel()
		got := newFollowed(t)
		got.follow(ctx, mustFollow(t, h.client(nil), FollowOptions{
			Query: Query{Limit: 5}, Notice: func(n Notice) { kinds = append(kinds, n.Kind) },
		}))
		var later []planned
		for _, e := range plan {
			if e.seen.After(begun) && e.at.After(begun) {
				later = append(later, e)
			}
		}
		got.missed(later)
		if early := len(got.order) - len(later); early > 5+60 { // Date is cut to the second, and events may be late
			t.Errorf("%d older events", early)
		}
		if len(kinds) != 2 || kinds[0] != NoticeSlowed || kinds[1] != NoticeBack {
			t.Errorf("notices: %v", kinds)
		}
	})
}
