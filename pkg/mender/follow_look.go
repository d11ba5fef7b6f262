package mender

import (
	"context"
	"net/http"
	"time"
)

// smallestPage is what a Follower asks for where next to nothing happens.
const smallestPage = 20

// look reads the log from its new end back to where it is known, or from where
// the look before left something.
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
		if largest := f.largestPage(); size < largest { // there is more than was thought
			n, size, l = 0, largest, f.newLook(0)
		}
	}
	if l.first && !l.ended && f.opt.Since.IsZero() {
		l.floor = l.oldest.Add(1) // what is beyond was there before
	}
	f.contact.lookedAt(l.wanted)
	f.noticeGap(l)
	return l, nil
}

func (f *Follower) newLook(start int) *look {
	l := &look{start: start, here: map[string]struct{}{}}
	l.first = !f.begun && f.opt.Resume == nil
	l.shallow = f.fresh > manyEvents && f.skip == 0 && time.Since(f.base.answered) < deepEvery
	return l
}

// answered takes note of the first answer of a look.
func (f *Follower) answered(l *look, p followPage) {
	l.serverTime, l.asked, l.answered = p.serverTime, p.asked, p.answered
	if !l.first {
		f.locate(l)
		return
	}
	l.floor = f.opt.Since
	if f.contact.waited && !p.serverTime.IsZero() {
		l.begin = p.serverTime.Add(-p.answered.Sub(f.started))
	}
}

// pageSize fits what happens in a minute on one page.
func (f *Follower) pageSize() int {
	size := f.fresh + f.fresh/4 + smallestPage
	switch {
	case !f.begun && f.opt.Resume == nil && f.opt.Since.IsZero():
		size = f.opt.Last + smallestPage
	case !f.begun, f.skip > 0:
		size = MaxPageSize
	}
	return min(size, f.largestPage())
}

// largestPage alternates, so that the edges of pages don't fall on the same
// events in two looks.
func (f *Follower) largestPage() int {
	if f.polls%2 == 1 {
		return MaxPageSize - MaxPageSize/8
	}
	return MaxPageSize
}

// take goes through a page, newest first.
func (f *Follower) take(l *look, events []Event) {
	page := make(map[string]struct{}, len(events))
	at := l.oldest
	for i := range events {
		e := &events[i]
		page[e.ID] = struct{}{}
		if _, again := l.page[e.ID]; again {
			l.moved = true
		}
		if !e.Time.IsZero() { // else it is taken to be as old as its neighbour
			at = e.Time
		}
		l.newest = later(l.newest, at)
		f.note(l, e, at)
		l.read++
	}
	l.oldest, l.page = at, page
	if !l.first || !l.floor.IsZero() { // else no more than Last are held
		l.trim(f.most)
	}
}

// note decides what becomes of an event.
func (f *Follower) note(l *look, e *Event, at time.Time) {
	if _, ok := l.here[e.ID]; ok {
		return
	}
	if f.memory.has(e.ID) || !l.first && at.Before(l.floor) {
		l.known = true
		return
	}
	var old bool
	switch {
	case !l.first:
		old = at.Before(f.memory.floor) && (at.Before(l.newFrom) || at.After(l.newTo))
	case l.floor.IsZero():
		old = l.wanted >= f.opt.Last && (l.begin.IsZero() || at.Before(l.begin))
	default:
		old = at.Before(l.floor)
	}
	wanted := !old && f.query().wants(*e) && f.opt.Want(e)
	l.add(found{event: *e, at: at, index: l.start + l.read, wanted: wanted})
}

// reached reports whether a look has gone far enough.
func (f *Follower) reached(l *look) bool {
	switch {
	case l.oldest.IsZero():
		return false
	case l.first && !l.floor.IsZero():
		return l.oldest.Before(l.floor.Add(-slack))
	case l.first:
		return l.wanted >= f.opt.Last && l.oldest.Before(l.newest.Add(-margin)) && (l.begin.IsZero() || l.oldest.Before(l.begin.Add(-slack)))
	case l.shallow && l.known && !l.setBack:
		return true
	}
	l.shallow = false
	return l.known && !l.horizon.IsZero() && l.oldest.Before(l.horizon)
}

// query asks for the integration, which an old server does not look at.
func (f *Follower) query() EventQuery { return EventQuery{IntegrationID: f.opt.IntegrationID} }

// followPage is a page of the log, and when it was read.
type followPage struct {
	events          []Event
	serverTime      time.Time // zero if the server does not say
	asked, answered time.Time // by this machine's clock
}

// page fetches one page, again and again if need be.
func (f *Follower) page(ctx context.Context, n, size int) (followPage, error) {
	query := f.query()
	query.PageSize = size
	for {
		p, err := f.try(ctx, query, n)
		switch {
		case err == nil:
			f.contact.answered()
			return p, nil
		case ctx.Err() != nil:
			return followPage{}, context.Cause(ctx)
		}
		wait, giveUp := f.contact.failed(err)
		if giveUp {
			return followPage{}, err
		}
		if err := sleep(ctx, wait); err != nil {
			return followPage{}, err
		}
	}
}

// try makes one attempt at a page.
func (f *Follower) try(ctx context.Context, q EventQuery, n int) (followPage, error) {
	k := eventsCall("follow the events", q, n)
	k.once = true
	p := followPage{asked: time.Now()}
	resp, err := f.client.do(ctx, k)
	if err != nil {
		return p, err
	}
	p.answered = time.Now()
	if p.events, err = decodeEvents(resp.Body()); err != nil {
		return p, f.client.badAnswer(k, resp, err)
	}
	if date, err := http.ParseTime(resp.Header().Get("Date")); err == nil {
		p.serverTime = date
	}
	return p, nil
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
