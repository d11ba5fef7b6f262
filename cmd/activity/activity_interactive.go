package activity

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/terminal"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// browser shows events on a full screen, as they arrive.
type browser struct {
	follower *eventlog.Follower
	forward  *forwarder
	log      history.Log
	answered func() // called when the server has answered
	ready    <-chan struct{}
}

// newBrowser returns a browser for a follower with the options, which it changes: they
// report when the log was read for the first time.
func newBrowser(o *eventlog.FollowOptions) *browser {
	ready := make(chan struct{})
	b := &browser{ready: ready, answered: sync.OnceFunc(func() { close(ready) })}
	save := o.Checkpoint
	o.Checkpoint = func(s eventlog.FollowState) error {
		b.answered()
		if save == nil {
			return nil
		}
		return save(s)
	}
	return b
}

// browse shows the screen until the user quits, ctx is done or following fails.
func (b *browser) browse(ctx context.Context, a *cli.App, held *output.Held, utc bool) error {
	title := "activity on " + a.Where()
	if b.forward != nil {
		title += ", forwarding to " + b.forward.patient.Target.String()
	}
	patient, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	context.AfterFunc(ctx, func() { time.AfterFunc(cli.ScreenPatience, giveUp) })
	_, err := cli.Interruptible(patient, func() (struct{}, error) {
		return struct{}{}, b.run(ctx, terminal.Options{
			In: a.In, Out: a.Out, Title: func() string { return title },
			Noun: "event", Verdict: "delivery", Verdicts: []string{history.Delivered, history.Failed}, Good: good,
			Details: b.log.Details, Totals: b.totals, Log: held, Style: a.OutStyle(), UTC: utc, Dates: true,
		})
	})
	return err
}

func good(verdict string) bool { return verdict != history.Failed }

// run follows the log, and shows the screen once the server has answered. An error
// before that, such as a refused token, does not make the terminal flicker.
func (b *browser) run(ctx context.Context, o terminal.Options) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	items, followed := make(chan history.Item), make(chan error, 1)
	go func() {
		followed <- cli.UntilInterrupted(ctx, b.follow(ctx, items))
		end()
	}()
	select {
	case <-b.ready:
	case err := <-followed:
		return err
	}
	o.Items = func(ctx context.Context) iter.Seq[history.Item] {
		return func(yield func(history.Item) bool) {
			for {
				select {
				case item := <-items:
					if !yield(item) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	}
	err := terminal.Run(ctx, o)
	end()
	if err != nil {
		err = fmt.Errorf("--interactive: %w", err)
	}
	return errors.Join(<-followed, err)
}

// follow sends and forwards events until ctx is done.
func (b *browser) follow(ctx context.Context, items chan<- history.Item) error {
	for e, err := range b.follower.Events(ctx) {
		if err != nil {
			return err
		}
		b.answered()
		select {
		case items <- b.log.Add(e):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := b.forward.send(ctx, &e); err != nil {
			return err
		}
	}
	return nil
}

func (b *browser) totals() string {
	text := fmt.Sprintf("events: %d delivered, %d failed", b.log.Count(history.Delivered), b.log.Count(history.Failed))
	if n := b.log.Count(""); n > 0 {
		text += fmt.Sprintf(", %d without a delivery", n)
	}
	return text
}
