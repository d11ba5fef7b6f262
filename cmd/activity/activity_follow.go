package activity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type followOptions struct {
	on          bool
	interval    time.Duration
	resume      string
	verbose     bool
	interactive bool
	forward     forwardOptions
}

func (o *followOptions) register(f *pflag.FlagSet) {
	f.BoolVarP(&o.on, "follow", "f", false, "show the last events (--limit, or --since), then each new one as it arrives")
	f.DurationVar(&o.interval, "interval", eventlog.DefaultInterval, "with --follow or --wait-for: `DURATION` between two polls of the log")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "with --follow: show each event's body and its deliveries below its line")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "with --follow: browse the events on a full screen; ? shows its keys")
	f.StringVar(&o.resume, "resume", "", "with --follow: save the position in `FILE`, and continue from there")
	o.forward.register(f)
}

// shortestInterval is the minimum of --interval. It protects the server from typos.
const shortestInterval = 100 * time.Millisecond

func (o followOptions) check() error {
	if o.interval < shortestInterval {
		return cli.Usagef("invalid --interval %s: must be at least %s", o.interval, shortestInterval)
	}
	return o.forward.check()
}

// following returns the options for following the log, as the flags request them.
func (o activityOptions) following(a *cli.App, q eventlog.Query) eventlog.FollowOptions {
	if o.all && q.Since.IsZero() {
		q.Since = time.Unix(0, 0)
	}
	return eventlog.FollowOptions{Query: q, Interval: o.follow.interval, Notice: noticePrinter(a, o.utc), Clock: a.Now}
}

func runFollow(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.StreamPrinter(o.follow.verbose)
	if err != nil {
		return err
	}
	var held *output.Held // nil without a full screen
	if o.follow.interactive && a.FullScreen("--interactive") {
		held = a.HoldStderr()
	}
	defer a.DetachStderr()()
	state, err := eventlog.LoadState(o.follow.resume)
	if err != nil {
		return err
	}
	forward, err := o.follow.forward.open(a)
	if err != nil {
		return err
	}
	defer forward.close()
	log, q, err := o.open(ctx, a)
	if err != nil {
		return cli.UntilInterrupted(ctx, err)
	}
	options := o.following(a, q)
	if options.Resume = state; o.follow.resume != "" {
		options.Checkpoint = func(s eventlog.FollowState) error { return s.Save(o.follow.resume) }
	}
	var b *browser // nil without a full screen
	if held != nil {
		b = newBrowser(&options)
	}
	follower, err := log.Follow(options)
	if err != nil {
		return cli.Hinted(cli.Usagef("--resume %s: %w", o.follow.resume, err), "name another file, or remove it to start over")
	}
	if state != nil {
		a.Say("continuing from %s, as saved in %s", output.Time(state.Known, o.utc), o.follow.resume)
	}
	forward.announce(a)
	if b != nil {
		b.follower, b.forward = follower, forward
		return cli.UntilInterrupted(ctx, b.browse(ctx, a, held, o.utc))
	}
	return cli.UntilInterrupted(ctx, o.printFollowed(ctx, a, p, follower, forward))
}

// printFollowed prints and forwards events as they arrive.
func (o activityOptions) printFollowed(ctx context.Context, a *cli.App, p *output.Printer, follower *eventlog.Follower, forward *forwarder) error {
	table := a.EventTable(o.utc)
	stream := p.Stream(table.Columns())
	for e, err := range follower.Events(ctx) {
		if err != nil {
			return errors.Join(err, stream.Close())
		}
		item := table.Item(p, &e)
		if o.follow.verbose {
			item.Below = eventLines(&e)
		}
		if err := stream.Write(item); output.IsFilterError(err) {
			a.Warn("%v", err)
		} else if err != nil {
			return err
		}
		if err := forward.send(ctx, &e); err != nil {
			return err
		}
	}
	return stream.Close()
}

// eventLines returns an event's body and the outcome of each delivery for --verbose.
func eventLines(e *mender.Event) []string {
	body, err := e.Event.MarshalJSON()
	if err != nil {
		body = e.Raw()
	}
	lines := output.Payload(body)
	deliveries := e.Deliveries()
	for _, d := range deliveries {
		lines = append(lines, fmt.Sprintf("delivery to integration %s: %s", d.IntegrationID, eventlog.OutcomeText(d)))
	}
	if len(deliveries) == 0 {
		lines = append(lines, "no delivery")
	}
	return lines
}

// noticePrinter returns a function that reports changes of the connection.
func noticePrinter(a *cli.App, utc bool) func(eventlog.Notice) {
	return func(n eventlog.Notice) {
		switch n.Kind {
		case eventlog.NoticeLost:
			a.Warn("lost contact: %v; retrying", n.Err)
		case eventlog.NoticeSlowed:
			a.Warn("pausing for %s, as the server asked: %v", output.Duration(n.For), n.Err)
		case eventlog.NoticeBack:
			a.Say("back in contact after %s; %s arrived meanwhile", output.Duration(n.For), cli.Plural(n.Events, "event"))
		case eventlog.NoticeGap:
			a.Warn("events logged between %s and %s are no longer available: the server keeps them for a week",
				output.Time(n.From, utc), output.Time(n.To, utc))
		}
	}
}
