// Package receiving has the commands around receiving events: listen, queue,
// trigger and verify.
package receiving

import (
	"crypto/tls"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type listenOptions struct {
	addr           string
	path           string
	maxBody        int64
	allowUnchecked bool
	tlsCert        string
	tlsKey         string
	respond        int
	delay          time.Duration
	failRate       float64
	exitAfter      int
	timeout        time.Duration
	grace          time.Duration
	metrics        string
	utc            bool
	secrets        cli.SecretFlags
	relay          relayOptions
}

// NewListenCmd returns the listen command.
func NewListenCmd(a *cli.App) *cobra.Command {
	o := listenOptions{}
	cmd := &cobra.Command{
		Use:         "listen",
		Annotations: cli.Prints(output.Table, output.JSONL, output.Name, output.None),
		Short:       "Receive, verify and forward webhooks",
		Long: `Receive webhooks, verify their signatures, and show each request: on a terminal
a line, elsewhere a JSON object a line.

A request whose signature matches a secret is answered 204; one that is
unsigned or signed otherwise 401. The secret is the one that is given, else the
one that create keeps on this machine. Without any, nothing can be checked and
everything is "unchecked". Several secrets can be given, so that one can be
changed without losing events, and secret files and the kept secrets are read
again when they change.

With --forward-to alone, for development, each event is passed on to your
application at once, byte for byte, and Mender is answered what it answered.
With --store as well, for production, each event is stored before Mender is
answered, and handed on until the application takes it: Mender tries once and
forgets. With --nats in its place, the store is a stream on a NATS JetStream
cluster, which several listeners can share.

--respond, --delay and --fail-rate make it the bad receiver that one wants to
see in Mender's activity. It ends with 0 on Ctrl-C.`,
		Example: `  mender-webhooks listen --secret-file hook.secret
  mender-webhooks listen --secret-file hook.secret --forward-to 3000
  mender-webhooks listen --secret-file hook.secret --store /var/lib/mender-webhooks --forward-to http://localhost:3000/hook
  mender-webhooks listen --secret-file hook.secret --nats nats://nats-0,nats://nats-1 --replicas 3 --forward-to http://app/hook
  mender-webhooks listen --secret-file hook.secret --exit-after 1 --timeout 30s`,
		Args:    cli.Args(0, 0, "no arguments"),
		PreRunE: listenRules().Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runListen(cmd.Context(), a, o)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func listenRules() cli.Rules {
	stored := []string{"store", "nats", "nats-context"}
	return cli.Rules{
		Against: map[string][]string{
			"store":   {"nats", "nats-context", "replicas"},
			"respond": {"forward-to"},
		},
		Needs: cli.NatsNeeds(map[string][]string{
			"sync": {"store"}, "replicas": {"nats", "nats-context"},
			"recover": stored, "keep": stored, "max-bytes": stored, "max-age": stored, "max-attempts": stored,
			"dead-on": stored, "concurrency": stored,
			"forward-timeout": {"forward-to"},
			"tls-cert":        {"tls-key"}, "tls-key": {"tls-cert"},
		}),
	}
}

func (o *listenOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "where to listen, `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&o.path, "path", "", "the only `PATH` to take (default: every path)")
	o.secrets.Register(f)
	f.BoolVar(&o.allowUnchecked, "allow-unchecked", false, "without a secret: listen beyond this machine, store and forward all the same")
	o.relay.register(f)
	f.StringVar(&o.tlsCert, "tls-cert", "", "serve https with the certificate in this `FILE`, read again when it changes")
	f.StringVar(&o.tlsKey, "tls-key", "", "the certificate's key, in a `FILE`")
	f.Int64Var(&o.maxBody, "max-body", webhook.MaxBody, "the largest body taken, in `BYTES`")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics, /healthz and /readyz on this `HOST:PORT`")
	f.IntVar(&o.respond, "respond", 0, "answer valid events with this `STATUS`")
	f.DurationVar(&o.delay, "delay", 0, "wait for a `DURATION` before each answer")
	f.Float64Var(&o.failRate, "fail-rate", 0, "the `SHARE` of valid events to answer with 500, from 0 to 1")
	f.IntVar(&o.exitAfter, "exit-after", 0, "end after `N` valid (or unchecked) events")
	f.DurationVar(&o.timeout, "timeout", 0, "end after a `DURATION`; with --exit-after, that is exit code 7")
	f.DurationVar(&o.grace, "grace", 10*time.Second, "the `DURATION` that what is under way may take at the end")
	f.BoolVar(&o.utc, "utc", false, "times in UTC (on a terminal they are local)")
}

func (o *listenOptions) check() error {
	switch {
	case o.respond != 0 && (o.respond < 200 || o.respond > 599):
		return cli.Usagef("--respond %d is no status to answer with: it is 200 to 599", o.respond)
	case o.failRate < 0 || o.failRate > 1:
		return cli.Usagef("--fail-rate %v: it is a share from 0 to 1", o.failRate)
	case o.exitAfter < 0 || o.delay < 0 || o.timeout < 0 || o.maxBody < 1:
		return cli.Usagef("--exit-after, --delay, --timeout and --max-body can't be negative")
	case o.grace <= 0:
		return cli.Usagef("invalid --grace %s: must be longer than 0s", o.grace)
	}
	var err error
	if o.addr, err = cli.ListenAddress("--addr", o.addr); err != nil {
		return err
	}
	if o.metrics != "" {
		if o.metrics, err = cli.ListenAddress("--metrics", o.metrics); err != nil {
			return err
		}
	}
	return o.relay.check()
}

// warn tells of settings that Mender will not like.
func (o *listenOptions) warn(a *cli.App) {
	const warning = "%s %s: Mender waits %s for an answer, and an event that takes longer never reaches its log"
	if o.delay >= menderPatience {
		a.Warn(warning, "--delay", o.delay, menderPatience)
	}
	if !o.relay.stores() && o.relay.forwardTimeout >= menderPatience {
		a.Warn(warning, "--forward-timeout", o.relay.forwardTimeout, menderPatience)
	}
}

// menderPatience is how long Mender waits for the answer to a delivery.
const menderPatience = 10 * time.Second

// loadTLS reads the certificate, and reads it again when it changes. It returns
// nil without --tls-cert.
func (o *listenOptions) loadTLS(a *cli.App) (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	config, err := receiver.LoadTLS(o.tlsCert, o.tlsKey, func(r receiver.Reload) {
		if r.Err != nil {
			a.Warn("%s changed, and can't be used: %v; the certificate read before still counts", r.Path, r.Err)
		} else {
			a.Say("%s changed: its certificate is used from now on", r.Path)
		}
	})
	if err != nil {
		return nil, cli.Usagef("--tls-cert: %w", err)
	}
	return config, nil
}
