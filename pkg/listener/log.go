package listener

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The limits of a Log, so that no flood of requests floods it.
const (
	logPeriod   = time.Minute
	maxLetters  = 10   // dead letters with a line of their own, per period
	maxOutages  = 3    // outages of the same kind with lines of their own, per period
	maxInvalid  = 1    // requests with an invalid signature with a line of their own, per period
	maxLogValue = 1024 // bytes of text from outside
)

// Log writes what an operator must know to a logger: that the application stops or
// starts to accept events, dead letters, requests with an invalid signature, and
// events that are refused with 503. Each kind has a limit per minute; a summary
// counts the rest.
//
// A reason why the queue refuses all events is not logged, because the queue itself
// reports it; see relay.QueueOptions.Logf.
type Log struct {
	logger *slog.Logger
	o      LogOptions
	stats  func(endpoint string) (relay.Stats, bool)
	total  func() (relay.Stats, bool)
	sub    *Subscription
	done   chan struct{}

	// The hub calls wants with each event, in order. It alone uses these fields
	// until done is closed.
	failing  map[destination]bool
	refusing map[string]bool // by endpoint
	unsure   atomic.Bool     // any endpoint refuses events
	totals   Totals

	applications       map[destination]*outage // they share the limit apps
	apps               window
	stores             map[string]*outage // by endpoint; they share the limit refusals
	refusals           window
	letters, signature window
	refused            Received // most recent request with an invalid signature
}

// LogOptions are the settings of a Log.
type LogOptions struct {
	// EventsShown leaves out dead letters and invalid signatures, because the user
	// sees each event on the same screen.
	EventsShown bool
}

// Totals are what a Listener has done with the events since its start.
type Totals struct {
	Forwarded    uint64 // events that the application accepted
	Failed       uint64 // failed attempts
	DeadLettered uint64
	// Queue is the state of all queues together, as Listener.Stats returns it; nil
	// without one.
	Queue *relay.Stats
}

// Log starts to write to the logger, which must not block for long. Call it before
// Serve.
func (l *Listener) Log(logger *slog.Logger, o LogOptions) *Log {
	l.log = newLog(&l.hub, logger, o, l.statsOf, l.Stats)
	return l.log
}

func newLog(hub *Hub, logger *slog.Logger, o LogOptions, stats func(endpoint string) (relay.Stats, bool), total func() (relay.Stats, bool)) *Log {
	l := &Log{
		logger: logger, o: o, stats: stats, total: total, done: make(chan struct{}),
		failing: map[destination]bool{}, refusing: map[string]bool{}, applications: map[destination]*outage{}, stores: map[string]*outage{},
	}
	l.sub = hub.Subscribe(SubscribeOptions{Wants: l.wants})
	go l.run()
	return l
}

// Wait waits until the events of a closed hub are logged, but at most 500 ms, and
// returns the totals.
func (l *Log) Wait() Totals {
	select {
	case <-l.done:
	case <-time.After(500 * time.Millisecond):
	}
	l.sub.hub.mu.Lock()
	defer l.sub.hub.mu.Unlock()
	totals := l.totals
	if stats, ok := l.total(); ok {
		totals.Queue = &stats
	}
	return totals
}

// needs reports whether wants must see an exchange. The others, which are all of an
// undisturbed listener, are not even published, because that copies them.
func (l *Log) needs(x *receiver.Exchange) bool {
	return l != nil && (x.Answer.Status >= 300 || x.Answer.Forward != nil || l.unsure.Load())
}

// wants counts an event, and reports whether it changes anything that is logged.
func (l *Log) wants(e Event) bool {
	app, store := signalsOf(e)
	wanted := turn(l.failing, destinationOf(e), app)
	if r, ok := e.(Received); ok && turn(l.refusing, r.Endpoint, store) {
		wanted = true
		l.unsure.Store(slices.Contains(slices.Collect(maps.Values(l.refusing)), true))
	}
	switch app {
	case good:
		l.totals.Forwarded++
	case bad:
		l.totals.Failed++
	case none:
	}
	switch e := e.(type) {
	case DeadLettered:
		l.totals.DeadLettered++
		return !l.o.EventsShown
	case Received:
		return wanted || isUnverified(e) && !l.o.EventsShown
	}
	return wanted
}

func (l *Log) run() {
	defer close(l.done)
	defer l.flush()
	for {
		select {
		case e, ok := <-l.sub.events:
			if !ok {
				return
			}
			l.sub.bytes.Add(-e.size)
			l.handle(e.Event)
		case <-l.letters.timer:
			l.moreLetters()
		case <-l.signature.timer:
			l.moreSignatures()
		case <-l.apps.timer:
			l.moreFailures()
		case <-l.refusals.timer:
			l.moreRefusals()
		}
	}
}

// flush logs what has been counted in periods that have not ended.
func (l *Log) flush() {
	l.moreLetters()
	l.moreSignatures()
	l.moreFailures()
	l.moreRefusals()
}

func (l *Log) handle(e Event) {
	app, store := signalsOf(e)
	switch e := e.(type) {
	case Attempted:
		reason := ""
		if e.Err != nil {
			reason = e.Err.Error()
		}
		l.forwarded(app, e.At, destinationOf(e), reason)
	case DeadLettered:
		if l.letters.admit(maxLetters) {
			l.log(slog.LevelWarn, "an event became a dead letter", where(e.Endpoint, shownRoute(e.Route), text("reason", e.Reason.Error()), text("id", e.ID), text("type", e.Type))...)
		}
	case Received:
		if f := e.Answer.Forward; f != nil {
			reason := f.Error
			if reason == "" {
				reason = fmt.Sprintf("the application answered %d %s", f.Status, http.StatusText(f.Status))
			}
			l.forwarded(app, e.ReceivedAt.Add(e.Took), destinationOf(e), reason)
		}
		l.stored(store, e)
		if isUnverified(e) {
			l.refused = Received{}
			l.refused.Verification, l.refused.RemoteAddr, l.refused.Endpoint = e.Verification, e.RemoteAddr, e.Endpoint
			if l.signature.admit(maxInvalid) {
				l.log(slog.LevelWarn, "a request has no valid signature", l.sender()...)
			}
		}
	}
}

// forwarded handles the result of an attempt.
func (l *Log) forwarded(s signal, at time.Time, to destination, reason string) {
	o := l.applications[to]
	switch s {
	case bad:
		if o == nil {
			o = &outage{window: &l.apps}
			l.applications[to] = o
		}
		if o.fails(at, reason) {
			l.applicationFails(to, o)
		}
	case good:
		if o != nil && o.ended(at) {
			l.log(slog.LevelInfo, "the application accepts events again", where(to.endpoint, to.route, append([]slog.Attr{
				text("target", to.target), slog.Duration("after", o.lasted), slog.Int("failed_attempts", o.failed),
			}, l.waiting(to.endpoint)...)...)...)
		}
	case none:
	}
}

func (l *Log) applicationFails(to destination, o *outage) {
	l.log(slog.LevelWarn, "the application does not accept events", where(to.endpoint, to.route, text("reason", o.reason), text("target", to.target))...)
}

// stored handles the answer to an event.
func (l *Log) stored(s signal, e Received) {
	o, at := l.stores[e.Endpoint], e.ReceivedAt.Add(e.Took)
	if o == nil {
		o = &outage{window: &l.refusals}
		l.stores[e.Endpoint] = o
	}
	switch s {
	case bad:
		if o.since.IsZero() && l.isReported(e) {
			return
		}
		if o.fails(at, strings.TrimSpace(string(e.Answer.Body))) {
			l.storeRefuses(e.Endpoint, o)
		}
	case good:
		if o.ended(at) {
			l.log(slog.LevelInfo, "events are accepted again", where(e.Endpoint, "", slog.Duration("after", o.lasted), slog.Int("refused", o.failed))...)
		}
	case none:
	}
}

// isReported reports whether the queue itself reports why it refused the event.
func (l *Log) isReported(e Received) bool {
	stats, ok := l.stats(e.Endpoint)
	return e.Verification.Verdict != webhook.Rejected && (!ok || !stats.Available)
}

func (l *Log) storeRefuses(endpoint string, o *outage) {
	l.log(slog.LevelWarn, "events are refused with 503", where(endpoint, "", text("reason", o.reason))...)
}

// where adds the endpoint and the route to attributes if they have names.
func where(endpoint, route string, attrs ...slog.Attr) []slog.Attr {
	if endpoint != "" {
		attrs = append(attrs, slog.String("endpoint", endpoint))
	}
	if route != "" {
		attrs = append(attrs, slog.String("route", route))
	}
	return attrs
}

// waiting returns how many events are in the queue of an endpoint, if it has one.
func (l *Log) waiting(endpoint string) []slog.Attr {
	stats, ok := l.stats(endpoint)
	if !ok {
		return nil
	}
	return []slog.Attr{slog.Uint64("waiting", stats.Waiting)}
}

func (l *Log) log(level slog.Level, message string, attrs ...slog.Attr) {
	l.logger.LogAttrs(context.Background(), level, message, attrs...)
}

// text returns an attribute for text from outside, which may be long or hold
// credentials. Escaping it is up to the logger's handler.
func text(key, value string) slog.Attr {
	// Masking is slow. It sees more than is logged, so that a credential is not cut.
	value = redact.Text(clip(value, 4*maxLogValue))
	return slog.String(key, clip(value, maxLogValue))
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
