package receiving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stored keeps events in a queue, from which they are handed on.
type stored struct {
	l         *listener
	queue     *relay.Queue
	release   func() error
	target    target.Target // nil: they are only stored
	forwarder *relay.Forwarder

	stopRecovery context.CancelFunc
	recovered    <-chan struct{} // closed when --recover is done; nil without it
}

func (l *listener) openStore(ctx context.Context, to target.Target) (sink, error) {
	o := l.options.relay
	store, err := relay.Open(ctx, relay.StoreOptions{
		Dir: o.store, Sync: o.sync, MaxBytes: int64(o.maxBytes), Keep: o.keep,
		Logf: func(format string, args ...any) { l.app.Warn(format, args...) },
	})
	if errors.Is(err, relay.ErrInUse) {
		return nil, cli.Hinted(cli.Failf(cli.ExitConflict, "--store %s: %w", o.store, err), "is another `mender-webhooks listen` running on it? `mender-webhooks queue --store %s` works meanwhile", o.store)
	}
	if err != nil {
		return nil, cli.Hinted(fmt.Errorf("--store %s: %w", o.store, err), "it has to be a folder of your own on a local disk, and is made where there is none")
	}
	l.sayRecovery(store.Recovery())
	return &stored{l: l, queue: store.Queue, release: store.Close, target: to}, nil
}

func (l *listener) sayRecovery(r relay.Recovery) {
	if r.Unclean {
		l.app.Warn("the store was not closed in order; everything that was answered is there, but an event may be handed on a second time")
	}
	if r.Lost > 0 {
		l.app.Warn("the end of the store was damaged: %s lost", cli.Plural(int(r.Lost), "event")) //nolint:gosec // a count of events
	}
	if r.Waiting > 0 || r.Dead > 0 {
		l.app.Say("in the store: %d waiting, %d dead", r.Waiting, r.Dead)
	}
}

// accept answers 204 once the event is stored, or was before; else 503, so
// that Mender's activity shows the truth.
func (s *stored) accept(ctx context.Context, r *receiver.Request) receiver.Answer {
	outcome, err := s.queue.Publish(ctx, relay.Event{ID: r.ID, Type: string(r.Type), Header: r.Header, Body: r.Body})
	switch outcome {
	case relay.Stored:
		return receiver.Answer{}
	case relay.Duplicate:
		return receiver.Answer{Duplicate: true, Header: http.Header{cli.HeaderDuplicate: {"1"}}}
	}
	return unavailable(err)
}

// start fetches what was missed, and begins to hand on.
func (s *stored) start(ctx context.Context) error {
	s.l.metrics.watch(s.queue.Stats)
	if s.l.options.relay.recover {
		ctx, s.stopRecovery = context.WithCancel(ctx)
		var err error
		if s.recovered, err = s.l.startRecovery(ctx, s.queue); err != nil {
			return err
		}
	}
	if s.target == nil {
		return nil
	}
	o := s.l.options.relay
	forwarder, err := s.queue.Forward(relay.ForwardOptions{
		Target: s.target, Concurrency: o.concurrency,
		DeadOn: o.deadOn, MaxAttempts: o.maxAttempts, MaxAge: o.maxAge, Observe: s.observe,
	})
	if err != nil {
		return fmt.Errorf("--forward-to: %w", err)
	}
	s.forwarder = forwarder
	return nil
}

// ready asks the queue, which has to answer within a second.
func (s *stored) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.queue.Ready(ctx)
}

func (s *stored) close(ctx context.Context) error {
	var err error
	if s.stopRecovery != nil {
		s.stopRecovery()
	}
	if s.recovered != nil {
		<-s.recovered
	}
	if s.forwarder != nil {
		err = s.forwarder.Stop(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			s.l.app.Warn("an event was still on its way to the application; it is handed on again at the next start")
			err = nil
		}
	}
	return errors.Join(err, s.release())
}

// relayLine is the JSON line of a step after the event was received.
type relayLine struct {
	Kind    relay.StepKind `json:"kind"`
	At      time.Time      `json:"at"`
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Forward *forwardLine   `json:"forward,omitempty"`
	Reason  string         `json:"reason,omitempty"`
}

type forwardLine struct {
	URL        string  `json:"url"`
	Status     int     `json:"status"`
	DurationMS float64 `json:"duration_ms"`
	Attempt    int     `json:"attempt"`
	Error      string  `json:"error"`
	// PauseMS is the time until the next attempt.
	PauseMS float64 `json:"pause_ms,omitempty"`
}

// observe shows a step. It never holds up the handing on.
func (s *stored) observe(step relay.Step) {
	s.l.metrics.forwarded(step)
	if s.l.printer.Format() == output.None {
		return
	}
	line := relayLine{Kind: step.Kind, At: s.l.app.Now().UTC(), ID: step.ID, Type: step.Type}
	problem := ""
	if step.Err != nil {
		problem = step.Err.Error()
	}
	if step.Kind == relay.StepDead {
		line.Reason = problem
	} else {
		line.Forward = &forwardLine{
			URL: s.target.String(), Status: step.Status, DurationMS: cli.Milliseconds(step.Duration),
			Attempt: step.Attempt, Error: problem, PauseMS: cli.Milliseconds(step.Pause),
		}
	}
	s.l.lines.offer(output.Item{Value: line, Row: relayRow(line, s.l.options.utc), Name: step.ID})
}

func relayRow(line relayLine, utc bool) []string {
	status, note := "-", line.Reason
	if f := line.Forward; f != nil {
		status = cli.StatusText(f.Status)
		note = fmt.Sprintf("attempt %d, %.1f ms", f.Attempt, f.DurationMS)
		if f.Error != "" {
			note = joinNotes(note, output.MaskText(f.Error))
		}
		if f.PauseMS > 0 {
			note = joinNotes(note, fmt.Sprintf("again in %s", output.Duration(time.Duration(f.PauseMS*float64(time.Millisecond)))))
		}
	}
	return []string{output.Time(line.At, utc), status, string(line.Kind), cli.Shorten(line.ID), line.Type, "", note}
}
