package eventlog

import (
	"context"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// smallestPage is the size of a page, in events, if hardly any events arrive.
const smallestPage = 20

// look reads the log from the newest event back to a point that is already
// known. If the previous look left events unread, it begins there.
func (f *Follower) look(ctx context.Context) (*look, error) {
	size := f.pageSize()
	n := f.skip/size + 1
	l := f.newLook((n - 1) * size)
	for ; ; n++ {
		p, err := f.page(ctx, n, size)
		if err != nil {
			return nil, err
		}
		if l.read == 0 {
			f.answered(l, p)
		}
		f.take(l, p.events)
		if len(p.events) < size {
			l.ended, l.shallow = true, false
			break
		}
		if f.reached(l) {
			break
		}
		if largest := f.largestPage(); size < largest { // more than expected: start over with larger pages
			n, size, l = 0, largest, f.newLook(0)
		}
	}
	if l.first && !l.ended && f.opt.Query.Since.IsZero() {
		l.floor = l.oldest.Add(1) // older events were there before
	}
	f.contact.recovered(l.wanted)
	f.noticeGap(l)
	return l, nil
}

func (f *Follower) newLook(start int) *look {
	l := &look{start: start, here: map[string]struct{}{}}
	l.first = !f.begun && f.opt.Resume == nil
	l.shallow = f.fresh > manyEvents && f.skip == 0 && time.Since(f.base.answered) < deepEvery
	return l
}

// answered records the times of a look's first answer, and how far back the look
// must read.
func (f *Follower) answered(l *look, p followPage) {
	l.serverTime, l.asked, l.answered = p.serverTime, p.asked, p.answered
	if !l.first {
		f.locate(l)
		return
	}
	l.floor = f.opt.Query.Since
	if f.contact.waited && !p.serverTime.IsZero() {
		l.begin = p.serverTime.Add(-p.answered.Sub(f.started))
	}
}

// pageSize returns a page size that fits the events of a minute on one page.
func (f *Follower) pageSize() int {
	size := f.fresh + f.fresh/4 + smallestPage
	switch {
	case !f.begun && f.opt.Resume == nil && f.opt.Query.Since.IsZero():
		size = f.opt.Query.Limit + smallestPage
	case !f.begun, f.skip > 0:
		size = mender.MaxPageSize
	}
	return min(size, f.largestPage())
}

// largestPage returns the largest page size to use. It alternates between two
// sizes, so that the edges of pages do not fall on the same events in two looks.
func (f *Follower) largestPage() int {
	if f.polls%2 == 1 {
		return mender.MaxPageSize - mender.MaxPageSize/8
	}
	return mender.MaxPageSize
}

// take records the events of a page, newest first.
func (f *Follower) take(l *look, events []mender.Event) {
	page := make(map[string]struct{}, len(events))
	at := l.oldest
	for i := range events {
		e := &events[i]
		page[e.ID] = struct{}{}
		if _, again := l.page[e.ID]; again {
			l.moved = true
		}
		if !e.Time.IsZero() { // an event without a time counts as being as old as its neighbor
			at = e.Time
		}
		if l.page == nil {
			l.newest = later(l.newest, at)
		}
		f.note(l, e, at)
		l.read++
	}
	l.oldest, l.page = at, page
	if !l.first || !l.floor.IsZero() { // otherwise, no more than Limit are held
		l.trim(f.most)
	}
}

// note records an event if it is new, or else that the look has reached known
// events.
func (f *Follower) note(l *look, e *mender.Event, at time.Time) {
	if _, ok := l.here[e.ID]; ok {
		return
	}
	if f.memory.has(e.ID) || !l.first && at.Before(l.floor) {
		l.known = true
		return
	}
	wanted := !f.isOld(l, at) && f.opt.Query.matches(e)
	l.add(found{event: *e, at: at, index: l.start + l.read, wanted: wanted})
}

// isOld reports whether an event that is not remembered existed before the
// Follower started or was already seen.
func (f *Follower) isOld(l *look, at time.Time) bool {
	switch {
	case !l.first:
		return at.Before(f.memory.floor) && (at.Before(l.newFrom) || at.After(l.newTo))
	case l.floor.IsZero():
		return l.wanted >= f.opt.Query.Limit && (l.begin.IsZero() || at.Before(l.begin))
	}
	return at.Before(l.floor)
}

// reached reports whether a look has read far enough back.
func (f *Follower) reached(l *look) bool {
	switch {
	case l.oldest.IsZero():
		return false
	case l.first && !l.floor.IsZero():
		return l.oldest.Before(l.floor.Add(-slack))
	case l.first:
		return l.wanted >= f.opt.Query.Limit && l.oldest.Before(l.newest.Add(-margin)) &&
			(l.begin.IsZero() || l.oldest.Before(l.begin.Add(-slack)))
	case l.shallow && l.known && !l.setBack:
		return true
	}
	l.shallow = false
	return l.known && !l.horizon.IsZero() && l.oldest.Before(l.horizon)
}

// followPage is a page of the log, and when it was requested and received, by
// this machine's clock.
type followPage struct {
	events          []mender.Event
	serverTime      time.Time
	asked, answered time.Time
}

// page fetches one page, and retries until it succeeds or a retry cannot help.
func (f *Follower) page(ctx context.Context, n, size int) (followPage, error) {
	for {
		p, err := f.try(ctx, n, size)
		switch {
		case err == nil:
			f.contact.answered()
			return p, nil
		case ctx.Err() != nil:
			return p, context.Cause(ctx)
		}
		wait, giveUp := f.contact.failed(err)
		if giveUp {
			return p, err
		}
		if err := sleep(ctx, wait); err != nil {
			return p, err
		}
	}
}

func (f *Follower) try(ctx context.Context, n, size int) (followPage, error) {
	p := followPage{asked: time.Now()}
	page, err := f.client.EventsPage(ctx, f.opt.Query.IntegrationID, n, size)
	if err != nil {
		return p, err
	}
	p.answered, p.serverTime = time.Now(), page.ServerTime
	p.events, err = page.Items()
	return p, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
