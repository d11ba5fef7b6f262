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
		events, serverTime, err := f.page(ctx, n, size)
		if err != nil {
			return nil, err
		}
		if l.read == 0 {
			l.serverTime = serverTime
		}
		f.take(l, events)
		if len(events) < size {
			l.ended = true
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
	if l.first {
		l.floor = f.opt.Since
	}
	return l
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
		if at.After(l.newest) {
			l.newest = at
		}
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
	if _, ok := l.here[e.ID]; ok || f.memory.has(e.ID, at) {
		return
	}
	old := l.first && (at.Before(l.floor) || l.floor.IsZero() && l.wanted >= f.opt.Last)
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
		return l.wanted >= f.opt.Last && l.oldest.Before(l.newest.Add(-margin))
	}
	horizon := f.horizon(l.serverTime)
	return !horizon.IsZero() && l.oldest.Before(horizon)
}

// query asks for the integration, which an old server does not look at.
func (f *Follower) query() EventQuery { return EventQuery{IntegrationID: f.opt.IntegrationID} }

// page fetches one page, again and again if need be.
func (f *Follower) page(ctx context.Context, n, size int) ([]Event, time.Time, error) {
	query := f.query()
	query.PageSize = size
	for {
		events, serverTime, err := f.try(ctx, query, n)
		switch {
		case err == nil:
			f.contact.answered()
			return events, serverTime, nil
		case ctx.Err() != nil:
			return nil, time.Time{}, context.Cause(ctx)
		}
		wait, giveUp := f.contact.failed(err)
		if giveUp {
			return nil, time.Time{}, err
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, time.Time{}, err
		}
	}
}

// try makes one attempt at a page.
func (f *Follower) try(ctx context.Context, q EventQuery, n int) ([]Event, time.Time, error) {
	k := eventsCall("follow the events", q, n)
	k.once = true
	resp, err := f.client.do(ctx, k)
	if err != nil {
		return nil, time.Time{}, err
	}
	events, err := decodeEvents(resp.Body())
	if err != nil {
		return nil, time.Time{}, f.client.badAnswer(k, resp, err)
	}
	date, err := http.ParseTime(resp.Header().Get("Date"))
	if err != nil {
		date = time.Time{} // then the events alone tell the time
	}
	return events, date, nil
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
