package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	defaultPerPage = 20
	maxPerPage     = 500
)

// loggedEvent is an event in the format of the log.
type loggedEvent struct {
	ID               string            `json:"id"`
	Type             webhook.EventType `json:"type"`
	Data             json.RawMessage   `json:"data"`
	Time             time.Time         `json:"time"`
	DeliveryStatuses []deliveryStatus  `json:"delivery_statuses,omitempty"`
}

type deliveryStatus struct {
	IntegrationID uuid.UUID `json:"integration_id"`
	Success       bool      `json:"success"`
	Error         string    `json:"error,omitempty"`
	StatusCode    *int      `json:"status_code,omitempty"`
}

// logEntry is an event in the log, encoded once for all requests. integration
// is uuid.Nil if nothing was delivered. There is at most one: an organization
// has only one integration at a time.
type logEntry struct {
	at          time.Time
	integration uuid.UUID
	body        []byte
}

func newLogEntry(e loggedEvent, body []byte) logEntry {
	entry := logEntry{at: e.Time, body: body}
	if len(e.DeliveryStatuses) > 0 {
		entry.integration = e.DeliveryStatuses[0].IntegrationID
	}
	return entry
}

// eventLog has events in the order in which they were saved, oldest first.
type eventLog struct {
	ttl     time.Duration
	entries []logEntry
}

func (l *eventLog) add(e logEntry) {
	i := len(l.entries)
	for i > 0 && l.entries[i-1].at.After(e.at) { // only if the clock was set back
		i--
	}
	l.entries = slices.Insert(l.entries, i, e)
}

func (l *eventLog) expire(now time.Time) {
	i, _ := slices.BinarySearchFunc(l.entries, now.Add(-l.ttl), func(e logEntry, oldest time.Time) int {
		if e.at.After(oldest) {
			return 1
		}
		return -1
	})
	l.entries = l.entries[i:]
}

// page returns encoded events, newest first. If of is not uuid.Nil, it
// considers only events delivered to that integration.
func (l *eventLog) page(skip, limit int, of uuid.UUID) [][]byte {
	bodies := [][]byte{}
	i := len(l.entries) - 1
	if of == uuid.Nil {
		i, skip = i-min(skip, len(l.entries)), 0
	}
	for ; i >= 0 && len(bodies) < limit; i-- {
		switch {
		case of != uuid.Nil && l.entries[i].integration != of:
		case skip > 0:
			skip--
		default:
			bodies = append(bodies, l.entries[i].body)
		}
	}
	return bodies
}

func (s *Sandbox) listEvents(c *call) {
	query := c.r.URL.Query()
	page, perPage, message := paging(query)
	var of uuid.UUID
	if id := query.Get("integration_id"); message == "" && id != "" {
		var err error
		if of, err = uuid.Parse(id); err != nil {
			message = "integration ID is not a valid UUID"
		}
	}
	if message != "" {
		c.fail(http.StatusBadRequest, message)
		return
	}
	s.mu.Lock()
	s.log.expire(s.now())
	var bodies [][]byte
	if page-1 <= len(s.log.entries)/perPage { // avoids overflow below
		bodies = s.log.page((page-1)*perPage, perPage, of)
	}
	s.mu.Unlock()

	c.header(http.StatusOK, "application/json; charset=utf-8")
	_, _ = c.w.Write(slices.Concat([]byte("["), bytes.Join(bodies, []byte(",")), []byte("]")))
}

// paging reads page and per_page. It returns the server's error message, or "".
func paging(query url.Values) (page, perPage int, message string) {
	read := func(name string, value int) int {
		text := query.Get(name)
		if text == "" || message != "" {
			return value
		}
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			message = "invalid " + name + " query: \"" + text + "\""
		case n < 1:
			message = "invalid " + name + " query: value must be a non-zero positive integer"
		}
		return int(n)
	}
	page, perPage = read("page", 1), read("per_page", defaultPerPage)
	if message == "" && perPage > maxPerPage {
		message = "parameter \"per_page\" above limit (max: " + strconv.Itoa(maxPerPage) + ")"
	}
	return page, perPage, message
}
