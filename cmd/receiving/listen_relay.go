package receiving

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// relayOptions are the flags for storing and forwarding events.
type relayOptions struct {
	forwardTo      []string
	exec           string
	file           string
	forwardTimeout time.Duration
	target         cli.TargetFlags
	store          string
	nats           cli.NatsFlags
	replicas       int
	sync           bool
	keep           time.Duration
	maxBytes       cli.ByteSize
	maxAge         time.Duration
	deadOn         []int
	maxAttempts    int
	concurrency    int
	keepAnswers    bool // the application's answers are shown
	recover        bool
	reconcile      time.Duration
}

func (o *relayOptions) register(f *pflag.FlagSet) {
	o.maxBytes = cli.ByteSize(relay.DefaultMaxBytes)
	f.StringArrayVar(&o.forwardTo, "forward-to", nil, "forward events to this `URL`; 3000, :3000/hook and localhost:3000 work, too (repeatable with --store or --nats, as NAME=URL)")
	f.StringVar(&o.exec, "exec", "", "run the program at this `PATH` for each event, with the body on stdin")
	f.StringVarP(&o.file, "file", "f", "", "with --store or --nats: take endpoints and routes from a YAML `FILE`; SIGHUP applies a changed one")
	f.DurationVar(&o.forwardTimeout, "forward-timeout", 0, "limit for one attempt to forward an event, as a `DURATION` (default 9s, or 30s with --store, --nats or --exec)")
	o.target.Register(f)
	f.StringVar(&o.store, "store", "", "store events in `DIR` before acknowledging them, and forward them until the application accepts them")
	o.nats.Register(f, "store events on this JetStream cluster instead of in --store: comma-separated `URLS` of its servers")
	f.IntVar(&o.replicas, "replicas", 1, "with --nats: number `N` of servers that store each event of a new stream")
	f.BoolVar(&o.sync, "sync", false, "with --store: sync each event to disk before acknowledging it, to survive a power failure")
	f.DurationVar(&o.keep, "keep", relay.DefaultKeep, "with --store or --nats: `DURATION` to retain delivered events for deduplication")
	f.Var(&o.maxBytes, "max-bytes", "with --store or --nats: largest total size of waiting events, such as 512MiB; an existing stream on a cluster keeps its own limit")
	f.DurationVar(&o.maxAge, "max-age", 0, "with --store or --nats: `DURATION` after which an event becomes a dead letter (default: never)")
	f.IntSliceVar(&o.deadOn, "dead-on", relay.DefaultDeadOn(), "with --store or --nats: comma-separated `STATUSES` with which the application refuses an event permanently")
	f.IntVar(&o.maxAttempts, "max-attempts", 0, "with --store or --nats: number `N` of attempts after which an event becomes a dead letter (default: never)")
	f.IntVar(&o.concurrency, "concurrency", 1, "with --store, --nats or --exec: number `N` of events to forward concurrently; only 1 preserves their order, even with several listeners on a cluster")
	f.BoolVar(&o.recover, "recover", false, "on start: recover deliveries that Mender logged as failed since the last event received")
	f.DurationVar(&o.reconcile, "reconcile", 0, "on start and after each `DURATION`: find the events that Mender lost, as reconcile does")
}

// wanted reports whether events are stored or forwarded.
func (o *relayOptions) wanted() bool { return o.forwards() || o.stores() }

// forwards reports whether events are forwarded.
func (o *relayOptions) forwards() bool {
	return len(o.forwardTo) > 0 || o.exec != "" || o.file != ""
}

// stores reports whether events are stored before deliveries are answered.
func (o *relayOptions) stores() bool { return o.store != "" || o.nats.Given() }

func (o *relayOptions) check() error {
	if o.replicas < 1 || o.replicas > 5 {
		return cli.Usagef("invalid --replicas %d: must be from 1 to 5", o.replicas)
	}
	for _, status := range o.deadOn {
		if status < 300 || status > 599 {
			return cli.Hinted(cli.Usagef("invalid --dead-on %d: must be from 300 to 599", status), "leave it out: an event is accepted with a status below 300")
		}
	}
	if err := o.nats.Check(); err != nil {
		return err
	}
	if o.file != "" && !o.stores() {
		return cli.Hinted(cli.Usagef("--file requires --store or --nats: an event could not wait for a route that is down"), "pass --store DIR or --nats URLS")
	}
	if len(o.forwardTo) == 0 {
		return o.target.Check("--forward-to or --file", o.file)
	}
	_, err := o.routes()
	return err
}

// addTargets adds the targets of the command line to the endpoint.
func (o *relayOptions) addTargets(a *cli.App, e *listener.Endpoint) error {
	e.DirectTimeout, e.AnswerFirst = o.forwardTimeout, o.exec != ""
	forward := relay.ForwardOptions{Concurrency: o.concurrency, DeadOn: o.deadOn, MaxAttempts: o.maxAttempts, MaxAge: o.maxAge}
	if o.exec != "" {
		program, err := o.openProgram(a)
		e.Targets = []listener.Target{{Forward: forward, Target: program}}
		return err
	}
	routes, err := o.routes()
	for _, r := range routes {
		var t target.Target
		if t, err = o.openURL(a, r.url); err != nil {
			return err
		}
		e.Targets = append(e.Targets, listener.Target{Route: relay.Route{Name: r.name}, Forward: forward, Target: t})
	}
	return err
}

func (o *relayOptions) openProgram(a *cli.App) (target.Target, error) {
	program, err := exectarget.New(exectarget.Options{Program: o.exec, Timeout: o.forwardTimeout, Logf: a.Say})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, cli.Hinted(cli.Usagef("--exec: %w", err), "make the program executable with chmod +x")
	case err != nil:
		return nil, cli.Hinted(cli.Usagef("--exec: %w", err), "pass the path of a program without arguments, such as ./handle-event, or its name in PATH")
	}
	return program, nil
}

func (o *relayOptions) openURL(a *cli.App, u *url.URL) (target.Target, error) {
	// Without a store, connections are not reused, because an event would be
	// lost if the application closed its connection at the same time.
	options := httptarget.Options{URL: u, Timeout: o.forwardTimeout, Answer: true}
	if o.stores() {
		options.Answer, options.Connections = o.keepAnswers, o.concurrency
	}
	return o.target.Open(a, options)
}

// explain adds the flag and a hint to an error from opening the store.
func (o *relayOptions) explain(err error) error {
	var failed *listener.StoreError
	switch {
	case !errors.As(err, &failed):
		return err
	case o.nats.Given():
		return cli.NatsError(err)
	case errors.Is(err, relay.ErrInUse):
		return cli.Hinted(cli.Failf(fault.Conflict, "--store %s: %w", o.store, err),
			"stop the other `mender-webhooks listen` first; `mender-webhooks queue --store %s` works while it runs", o.store)
	}
	return cli.Hinted(fmt.Errorf("--store %s: %w", o.store, err), "name a folder on a local disk that you may write to; it is created if it does not exist")
}
