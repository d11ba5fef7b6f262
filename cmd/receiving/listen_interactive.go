package receiving

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/terminal"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// screen is the screen of --interactive. A nil screen does nothing.
type screen struct {
	l    *listening
	ls   *listener.Listener
	log  *output.Held
	sub  *listener.Subscription
	done chan struct{} // closed when the terminal is restored; nil before start
}

// openScreen returns the screen for --interactive, or nil without the flag. It
// collects events and messages from now on.
func (l *listening) openScreen(ls *listener.Listener, log *output.Held) *screen {
	if log == nil {
		return nil
	}
	log.Hold()
	return &screen{l: l, ls: ls, log: log, sub: ls.Hub().Subscribe(listener.SubscribeOptions{History: true})}
}

// start shows the screen until ctx is done. If the user quits, it calls stop. It
// also does so if the screen fails, unless events are stored: then receiving
// continues.
func (s *screen) start(ctx context.Context, ports listener.Ports, stop func(error)) {
	if s == nil {
		return
	}
	h := history.History{Listener: s.ls}
	o := terminal.Options{
		In: s.l.app.In, Out: s.l.app.Out, Title: func() string { return s.title(ports) },
		Noun: "request", Verdict: "verdict", Verdicts: verdicts(), Good: good,
		Items: s.items, Missed: s.sub.Dropped, Details: h.Details, Replay: h.Replay, Totals: s.totals,
		Log: s.log, Style: s.l.app.OutStyle(), UTC: s.l.options.utc,
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		defer s.sub.Close()
		err := terminal.Run(ctx, o)
		if err != nil && s.l.options.relay.stores() {
			s.l.app.Warn("--interactive: %v; continuing without the screen", err)
			return
		}
		if err != nil {
			err = fmt.Errorf("--interactive: %w", err)
		}
		stop(err)
	}()
}

// wait waits until the terminal is restored, after the context of start is done.
func (s *screen) wait() {
	if s == nil {
		return
	}
	if s.done != nil {
		select {
		case <-s.done:
		case <-time.After(cli.ScreenPatience):
			return // a message would not be read either
		}
	}
	s.log.Release()
}

func (s *screen) items(ctx context.Context) iter.Seq[history.Item] {
	return func(yield func(history.Item) bool) {
		for n := range s.sub.Numbered(ctx) {
			if !yield(history.NewItem(n)) {
				return
			}
		}
	}
}

func (s *screen) title(ports listener.Ports) string {
	text := "listening on " + joinAddrs(addrsOf(ports.Events)) + s.l.options.path
	var targets []string
	for _, endpoint := range s.ls.Endpoints() {
		if application := s.ls.Application(endpoint); application != nil {
			targets = append(targets, application.String())
		}
	}
	if len(targets) > 0 {
		text += ", forwarding to " + strings.Join(targets, ", ")
	}
	return text
}

func (s *screen) totals() string {
	text := "received: " + counts(s.ls)
	if q, ok := s.ls.Stats(); ok {
		text += fmt.Sprintf("; %d waiting, %s", q.Waiting, cli.Plural(int(q.Dead), "dead letter")) //nolint:gosec // a count of events
	}
	return text
}

// good reports whether a request with the verdict is accepted.
func good(verdict string) bool {
	return slices.Contains([]string{string(webhook.Valid), string(webhook.Unchecked)}, verdict)
}

func verdicts() []string {
	return []string{string(webhook.Valid), string(webhook.Invalid), string(webhook.Unsigned), string(webhook.Unchecked), string(webhook.Rejected)}
}
