package activity

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type followOptions struct {
	on       bool
	interval time.Duration
	resume   string
	forward  forwardOptions
}

func (o *followOptions) register(f *pflag.FlagSet) {
	f.BoolVarP(&o.on, "follow", "f", false, "show the last events (--limit, or --since), then each new one as it arrives")
	f.DurationVar(&o.interval, "interval", eventlog.DefaultInterval, "with --follow or --wait-for: `DURATION` between two polls of the log")
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
	p, err := a.StreamPrinter()
	if err != nil {
		return err
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
	follower, err := log.Follow(options)
	if err != nil {
		return cli.Hinted(cli.Usagef("--resume %s: %w", o.follow.resume, err), "name another file, or remove it to start over")
	}
	if state != nil {
		a.Say("continuing from %s, as saved in %s", output.Time(state.Known, o.utc), o.follow.resume)
	}
	forward.announce(a)
	return cli.UntilInterrupted(ctx, printFollowed(ctx, a, p, follower, forward, o.utc))
}

// printFollowed prints and forwards events as they arrive.
func printFollowed(ctx context.Context, a *cli.App, p *output.Printer, follower *eventlog.Follower, forward *forwarder, utc bool) error {
	table := a.EventTable(utc)
	stream := p.Stream(table.Columns())
	for e, err := range follower.Events(ctx) {
		if err != nil {
			return errors.Join(err, stream.Close())
		}
		if err := stream.Write(table.Item(p, &e)); output.IsFilterError(err) {
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
