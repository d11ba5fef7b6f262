package listener

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
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
	stats  func() (relay.Stats, bool)
	sub    *Subscription
	done   chan struct{}

	// The hub calls wants with each event, in order. It alone uses these fields
	// until done is closed.
	failing  map[string]bool // by target
	refusing atomic.Bool
	totals   Totals

	applications       map[string]*outage // by target; they share the limit apps
	apps               window
	store              outage
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
	// Queue is the state of the queue; nil without one.
	Queue *relay.Stats
}

// Log starts to write to the logger, which must not block for long. Call it before
// Serve.
func (l *Listener) Log(logger *slog.Logger, o LogOptions) *Log {
	l.log = newLog(&l.hub, logger, o, l.sink.stats)
	return l.log
}

func newLog(hub *Hub, logger *slog.Logger, o LogOptions, stats func() (relay.Stats, bool)) *Log {
	l := &Log{logger: logger, o: o, stats: stats, done: make(chan struct{}), failing: map[string]bool{}, applications: map[string]*outage{}}
	l.store.window = new(window)
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
	if stats, ok := l.stats(); ok {
		totals.Queue = &stats
	}
	return totals
}

// needs reports whether wants must see an exchange. The others, which are all of an
// undisturbed listener, are not even published, because that copies them.
func (l *Log) needs(x *receiver.Exchange) bool {
	return l != nil && (x.Answer.Status >= 300 || x.Answer.Forward != nil || l.refusing.Load())
}

// wants counts an event, and reports whether it changes anything that is logged.
func (l *Log) wants(e Event) bool {
	app, store := signalsOf(e)
	to := targetOf(e)
	failing, refusing := l.failing[to], l.refusing.Load()
	wanted := turn(&failing, app)
	l.failing[to] = failing
	wanted = turn(&refusing, store) || wanted
	l.refusing.Store(refusing)
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
		case <-l.store.timer:
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
		l.forwarded(app, e.At, e.Target, reason)
	case DeadLettered:
		if l.letters.admit(maxLetters) {
			l.log(slog.LevelWarn, "an event became a dead letter", text("reason", e.Reason.Error()), text("id", e.ID), text("type", e.Type))
		}
	case Received:
		if f := e.Answer.Forward; f != nil {
			reason := f.Error
			if reason == "" {
				reason = fmt.Sprintf("the application answered %d %s", f.Status, http.StatusText(f.Status))
			}
			l.forwarded(app, e.ReceivedAt.Add(e.Took), f.URL, reason)
		}
		l.stored(store, e)
		if isUnverified(e) {
			l.refused = Received{}
			l.refused.Verification, l.refused.RemoteAddr = e.Verification, e.RemoteAddr
			if l.signature.admit(maxInvalid) {
				l.log(slog.LevelWarn, "a request has no valid signature", l.sender()...)
			}
		}
	}
}

// forwarded handles the result of an attempt.
func (l *Log) forwarded(s signal, at time.Time, target, reason string) {
	o := l.applications[target]
	switch s {
	case bad:
		if o == nil {
			o = &outage{window: &l.apps, target: target}
			l.applications[target] = o
		}
		if o.fails(at, reason) {
			l.applicationFails(o)
		}
	case good:
		if o != nil && o.ended(at) {
			l.log(slog.LevelInfo, "the application accepts events again", append([]slog.Attr{
				text("target", target), slog.Duration("after", o.lasted), slog.Int("failed_attempts", o.failed),
			}, l.waiting()...)...)
		}
	case none:
	}
}

func (l *Log) applicationFails(o *outage) {
	l.log(slog.LevelWarn, "the application does not accept events", text("reason", o.reason), text("target", o.target))
}

// stored handles the answer to an event.
func (l *Log) stored(s signal, e Received) {
	o, at := &l.store, e.ReceivedAt.Add(e.Took)
	switch s {
	case bad:
		if o.since.IsZero() && l.isReported(e) {
			return
		}
		if o.fails(at, strings.TrimSpace(string(e.Answer.Body))) {
			l.storeRefuses()
		}
	case good:
		if o.ended(at) {
			l.log(slog.LevelInfo, "events are accepted again", slog.Duration("after", o.lasted), slog.Int("refused", o.failed))
		}
	case none:
	}
}

// isReported reports whether the queue itself reports why it refused the event.
func (l *Log) isReported(e Received) bool {
	stats, ok := l.stats()
	return e.Verification.Verdict != webhook.Rejected && (!ok || !stats.Available)
}

func (l *Log) storeRefuses() {
	l.log(slog.LevelWarn, "events are refused with 503", text("reason", l.store.reason))
}

// The following report what a limit kept out of the log.

func (l *Log) moreLetters() {
	if n := l.letters.more(); n > 0 {
		l.log(slog.LevelWarn, "more events became dead letters", slog.Int("events", n))
	}
}

func (l *Log) moreSignatures() {
	if n := l.signature.more(); n > 0 {
		l.log(slog.LevelWarn, "more requests have no valid signature", append(l.sender(), slog.Int("requests", n))...)
	}
}

func (l *Log) moreFailures() {
	n := l.apps.more()
	for _, target := range slices.Sorted(maps.Keys(l.applications)) {
		if o := l.applications[target]; n > 0 && o.isUnreported() {
			l.applicationFails(o)
			n--
		}
	}
	if n > 0 {
		l.log(slog.LevelWarn, "the application failed and recovered", slog.Int("times", n))
	}
}

func (l *Log) moreRefusals() {
	n := l.store.more()
	if n > 0 && l.store.isUnreported() {
		l.storeRefuses()
		n--
	}
	if n > 0 {
		l.log(slog.LevelWarn, "events were refused with 503 for a short time", slog.Int("times", n))
	}
}

// sender describes the most recent request with an invalid signature.
func (l *Log) sender() []slog.Attr {
	from, _, err := net.SplitHostPort(l.refused.RemoteAddr)
	if err != nil {
		from = l.refused.RemoteAddr
	}
	v := l.refused.Verification
	return []slog.Attr{text("reason", cmp.Or(string(v.Reason), string(v.Verdict))), text("from", from)}
}

// waiting returns how many events are in the queue, if there is one.
func (l *Log) waiting() []slog.Attr {
	stats, ok := l.stats()
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
