package receiving

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// relayOptions are the flags of handing events on.
type relayOptions struct {
	forwardTo      string
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
	recover        bool
}

func (o *relayOptions) register(f *pflag.FlagSet) {
	o.maxBytes = cli.ByteSize(relay.DefaultMaxBytes)
	f.StringVar(&o.forwardTo, "forward-to", "", "hand events on to this `URL`; 3000, :3000/hook and localhost:3000 are understood")
	f.DurationVar(&o.forwardTimeout, "forward-timeout", 0, "limit for one attempt to hand an event on, a `DURATION` (default 9s, or 30s with --store or --nats)")
	o.target.Register(f)
	f.StringVar(&o.store, "store", "", "store events in this `DIR` before they are answered, and hand them on until the application has them")
	o.nats.Register(f, "store events on this JetStream cluster, instead of in --store: its servers' `URLS`, parted by commas")
	f.IntVar(&o.replicas, "replicas", 1, "with --nats: how many (`N`) servers keep each event, where the stream is yet to be made")
	f.BoolVar(&o.sync, "sync", false, "with --store: bring each event onto the disk before it is answered, for power cuts")
	f.DurationVar(&o.keep, "keep", relay.DefaultKeep, "in the store: the `DURATION` that delivered events stay, against repeats")
	f.Var(&o.maxBytes, "max-bytes", "in the store: how much may wait, such as 512MiB; a stream that exists on a cluster keeps its own limit")
	f.DurationVar(&o.maxAge, "max-age", 0, "from the store: give up what waits longer than a `DURATION` (default: never)")
	f.IntSliceVar(&o.deadOn, "dead-on", relay.DefaultDeadOn(), "from the store: the `STATUSES` by which the application refuses an event for good")
	f.IntVar(&o.maxAttempts, "max-attempts", 0, "from the store: give up after `N` attempts (default: never)")
	f.IntVar(&o.concurrency, "concurrency", 1, "from the store: hand on `N` events at once; only with 1 they stay in order, over all listeners of a cluster")
	f.BoolVar(&o.recover, "recover", false, "into the store: first fetch what Mender's log says failed since the last event that came")
}

// wanted reports whether events go anywhere.
func (o *relayOptions) wanted() bool { return o.forwardTo != "" || o.stores() }

// stores reports whether events are stored before they are answered.
func (o *relayOptions) stores() bool { return o.store != "" || o.nats.Given() }

func (o *relayOptions) check() error {
	switch {
	case o.concurrency < 1 || o.maxAttempts < 0 || o.maxAge < 0 || o.keep < 0 || o.maxBytes < 1 || o.forwardTimeout < 0:
		return cli.Usagef("--concurrency is 1 at least, and --max-attempts, --max-age, --keep, --max-bytes and --forward-timeout can't be negative")
	case slices.ContainsFunc(o.deadOn, func(status int) bool { return status < 300 || status > 599 }):
		return cli.Hinted(cli.Usagef("--dead-on: a status by which an application refuses an event is 300 to 599"), "under 300 it has taken the event")
	case o.replicas < 1 || o.replicas > 5:
		return cli.Usagef("--replicas %d: a stream has 1 to 5", o.replicas)
	}
	if err := o.nats.Check(); err != nil {
		return err
	}
	if o.forwardTo == "" {
		return o.target.Check("--forward-to", o.forwardTo)
	}
	_, err := cli.ParseURL("--forward-to", o.forwardTo)
	return err
}

// fill sets where the listener's events go.
func (o *relayOptions) fill(a *cli.App, lo *listener.Options) error {
	if o.store != "" {
		lo.Store = &relay.StoreOptions{Dir: o.store, Sync: o.sync, MaxBytes: int64(o.maxBytes), Keep: o.keep, Logf: a.Warn}
	}
	if o.nats.Given() {
		dial, err := o.nats.Dial(a)
		if err != nil {
			return err
		}
		dial.MaxBytes, dial.Keep, dial.Replicas = int64(o.maxBytes), o.keep, o.replicas
		lo.Cluster = &dial
	}
	lo.DirectTimeout = o.forwardTimeout
	lo.Forward = relay.ForwardOptions{Concurrency: o.concurrency, DeadOn: o.deadOn, MaxAttempts: o.maxAttempts, MaxAge: o.maxAge}
	if o.forwardTo == "" {
		return nil
	}
	u, err := cli.ParseURL("--forward-to", o.forwardTo)
	if err != nil {
		return err
	}
	// A store keeps connections to the application; without one, an event that
	// meets a connection's end would be lost.
	options := httptarget.Options{URL: u, Timeout: o.forwardTimeout, Answer: true}
	if o.stores() {
		options.Answer, options.Connections = false, o.concurrency
	}
	lo.Target, err = o.target.Open(a, options)
	return err
}

// explain adds the flag and the next step to an error in opening the store.
func (o *relayOptions) explain(err error) error {
	var failed *listener.StoreError
	switch {
	case !errors.As(err, &failed):
		return err
	case o.nats.Given():
		return cli.NatsError(err)
	case errors.Is(err, relay.ErrInUse):
		return cli.Hinted(cli.Failf(cli.ExitConflict, "--store %s: %w", o.store, err),
			"is another `mender-webhooks listen` running on it? `mender-webhooks queue --store %s` works meanwhile", o.store)
	}
	return cli.Hinted(fmt.Errorf("--store %s: %w", o.store, err), "it has to be a folder of your own on a local disk, and is made where there is none")
}
