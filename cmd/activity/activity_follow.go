package activity

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type followOptions struct {
	on       bool
	interval time.Duration
	resume   string
	forward  forwardOptions
}

func (o *followOptions) register(f *pflag.FlagSet) {
	f.BoolVarP(&o.on, "follow", "f", false, "show the last events (--limit, or --since), then each new one as it comes")
	f.DurationVar(&o.interval, "interval", mender.DefaultInterval, "with --follow, --wait-for: look once in a `DURATION`")
	f.StringVar(&o.resume, "resume", "", "with --follow: keep in `FILE` how far it got, and go on from there")
	o.forward.register(f)
}

// shortestInterval keeps a mistyped --interval from hammering the server.
const shortestInterval = 100 * time.Millisecond

func (o followOptions) check() error {
	if o.interval < shortestInterval {
		return cli.Usagef("--interval %s: it is %s at least", o.interval, shortestInterval)
	}
	return o.forward.check()
}

// followed are the options of the follower that the flags ask for.
func (o activityOptions) followed(a *cli.App, q activityQuery) mender.FollowOptions {
	return mender.FollowOptions{
		IntegrationID: q.IntegrationID, Since: q.Since, Want: q.matches,
		Interval: o.follow.interval, Notice: sayNotice(a, o.utc),
	}
}

func runFollow(ctx context.Context, a *cli.App, o activityOptions) error {
	p, err := a.StreamPrinter()
	if err != nil {
		return err
	}
	defer a.DetachStderr()()
	file, err := openResume(o.follow.resume)
	if err != nil {
		return err
	}
	forward, err := o.follow.forward.open(a)
	if err != nil {
		return err
	}
	defer forward.close()
	client, q, err := o.open(ctx, a)
	if err != nil {
		return cli.UntilInterrupted(ctx, err)
	}
	opt := o.followed(a, q)
	if opt.Last = q.limit; o.all && q.Since.IsZero() {
		opt.Since = time.Unix(0, 0)
	}
	opt.Resume, opt.Checkpoint = file.state, file.save
	follower, err := client.Follow(opt)
	if err != nil {
		return cli.Hinted(cli.Usagef("--resume %s: %w", o.follow.resume, err), "name another file, or remove it to begin anew")
	}
	if file.state != nil {
		a.Say("going on from %s, where %s ends", output.Time(file.state.Known, o.utc), o.follow.resume)
	}
	forward.announce(a)
	return cli.UntilInterrupted(ctx, showFollowed(ctx, a, p, follower, forward, o.utc))
}

// showFollowed prints events as they come.
func showFollowed(ctx context.Context, a *cli.App, p *output.Printer, follower *mender.Follower, forward *forwarder, utc bool) error {
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

// sayNotice tells what happens to the connection.
func sayNotice(a *cli.App, utc bool) func(mender.Notice) {
	return func(n mender.Notice) {
		switch n.Kind {
		case mender.NoticeLost:
			a.Warn("lost contact: %v; asking again until it is back", n.Err)
		case mender.NoticeSlowed:
			a.Warn("the server asks to be left alone for %s: %v", output.Duration(n.For), n.Err)
		case mender.NoticeBack:
			a.Say("back in contact after %s; %s came meanwhile", output.Duration(n.For), cli.Plural(n.Events, "event"))
		case mender.NoticeGap:
			a.Warn("the server keeps events for a week, and this was away for longer: those saved between %s and %s can't be shown",
				output.Time(n.From, utc), output.Time(n.To, utc))
		}
	}
}
