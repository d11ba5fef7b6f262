package mender

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// MaxPageSize is the largest page of events that the server sends.
const MaxPageSize = 500

// EventsPage returns page n of the log, counted from 1, newest event first. size
// is the number of events on a page, at most MaxPageSize. A page past the end is
// empty. Pages shift while events arrive; package eventlog compensates for that.
//
// A non-empty integrationID selects the events of one integration. Servers
// before 4.1 ignore it.
func (c *Client) EventsPage(ctx context.Context, integrationID string, n, size int) (Page[Event], error) {
	return c.eventsPage(ctx, "read the events", integrationID, n, size)
}

func (c *Client) eventsPage(ctx context.Context, op, integrationID string, n, size int) (Page[Event], error) {
	k := &call{op: op, method: http.MethodGet, path: iotManager + "/events", query: url.Values{
		"page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(size)},
	}}
	if integrationID != "" {
		k.query.Set("integration_id", integrationID)
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return Page[Event]{}, err
	}
	items, err := parsePage(resp.Body())
	if err != nil {
		return Page[Event]{}, c.badAnswer(k, resp, err)
	}
	page := Page[Event]{empty: len(items) == 0, decode: func() ([]Event, error) {
		events, err := decodeEvents(resp.Body(), items)
		if err != nil {
			err = c.badAnswer(k, resp, err)
		}
		return events, err
	}}
	if date, err := http.ParseTime(resp.Header().Get("Date")); err == nil {
		page.ServerTime = date
	}
	return page, nil
}
