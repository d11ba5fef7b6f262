package mender

import (
	"bytes"
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"
)

const (
	// MaxPageSize is the most events that the server gives in one answer.
	MaxPageSize = 500
	// DefaultPageSize is what a query without a PageSize asks for at once.
	DefaultPageSize = 100
	// ahead is how many pages are fetched before the reader wants them.
	ahead        = 3
	readEventsOp = "read the events"
	// slack is how far the log may be out of order by time before an event
	// after Since is missed.
	slack = time.Minute
)

// EventQuery says which events are wanted. The zero query is all of them.
type EventQuery struct {
	// IntegrationID leaves the events that went to one integration. They
	// are also filtered here: servers before 4.1 take no account of it, and
	// give an organization's integrations one id after the other.
	IntegrationID string
	// PageSize is how many events are fetched at once: 0 is
	// DefaultPageSize, and MaxPageSize the most. It is best made as large
	// as what will be read.
	PageSize int
	// Since and Until bound the events' time, by the server's clock (see
	// Client.ServerTime): Since is the first that is in, Until the first
	// that is out. Zero is no bound. Reading stops soon after Since.
	Since, Until time.Time
}

func (q EventQuery) pageSize() int {
	if q.PageSize <= 0 {
		return DefaultPageSize
	}
	return min(q.PageSize, MaxPageSize)
}

// wants reports whether an event of the log is asked for.
func (q EventQuery) wants(e Event) bool {
	if !q.Since.IsZero() && e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until) {
		return false
	}
	if q.IntegrationID == "" {
		return true
	}
	for _, d := range e.DeliveryStatuses {
		if d.IntegrationID == q.IntegrationID {
			return true
		}
	}
	return false
}

// Events goes through the log, newest first by the time of saving, and gives
// each event once, although the pages shift while events arrive. Events that
// arrive after the first page was read are not given. Memory is bounded,
// however long the log is.
//
// Nothing is sent before the first event is asked for; from the second page
// on a few pages are fetched ahead. An error comes once, as the last thing,
// with a zero Event. The iterator can be used again, and then starts anew.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := &reading{query: q, seen: newWindow(windowSize), yield: yield}
		if !r.readPage(c.fetch(ctx, readEventsOp, q, 1).events(c)) {
			return
		}
		pages, stop := c.fetchAhead(ctx, q)
		defer stop()
		for p := range pages {
			if !r.readPage(p.events(c)) {
				return
			}
		}
	}
}

// page is a page of the log that was checked and not yet taken apart, or why
// it did not come.
type page struct {
	call *call
	resp *resty.Response
	err  error
}

func (p page) empty() bool { return len(bytes.TrimSpace(p.resp.Body())) <= len("null") }

// events takes a page apart.
func (p page) events(c *Client) ([]Event, error) {
	if p.err != nil {
		return nil, p.err
	}
	events, err := readEvents(p.resp.Body())
	if err != nil {
		return nil, c.badAnswer(p.call, p.resp, err)
	}
	return events, nil
}

// fetchAhead fetches pages from the second on, a few before they are taken,
// until one is empty, an error comes, or stop is called, which returns once
// all is quiet. Taking the pages apart is left to the reader: so both have
// about as much to do, and no more than two processors have any use.
func (c *Client) fetchAhead(ctx context.Context, q EventQuery) (pages <-chan page, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan page, ahead-1)
	left := make(chan struct{}) // the reader is gone: nobody takes out, not even an error
	var fetching sync.WaitGroup
	fetching.Go(func() {
		defer close(out)
		for n := 2; ; n++ {
			p := c.fetch(ctx, readEventsOp, q, n)
			if !pass(out, p, left) || p.err != nil || p.empty() {
				return
			}
		}
	})
	return out, func() {
		cancel()
		close(left)
		fetching.Wait()
	}
}

// pass hands a page on, and reports whether it was taken.
func pass(to chan<- page, p page, left <-chan struct{}) bool {
	select {
	case to <- p:
		return true
	case <-left:
		return false
	}
}

// fetch fetches one page of the log, counted from 1, and checks it.
func (c *Client) fetch(ctx context.Context, op string, q EventQuery, n int) page {
	k := eventsCall(op, q, n)
	resp, err := c.do(ctx, k)
	if err != nil {
		return page{err: err}
	}
	if err := checkPage(resp.Body()); err != nil {
		return page{err: c.badAnswer(k, resp, err)}
	}
	return page{call: k, resp: resp}
}

// eventsCall is the call for one page of the log.
func eventsCall(op string, q EventQuery, n int) *call {
	k := &call{op: op, method: http.MethodGet, path: iotManager + "/events", query: url.Values{
		"page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(q.pageSize())},
	}}
	if q.IntegrationID != "" {
		k.query.Set("integration_id", q.IntegrationID)
	}
	return k
}
