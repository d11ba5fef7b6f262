// Package receiving implements the commands for receiving events: listen, queue,
// trigger and verify.
package receiving

import (
	"crypto/tls"
	"strings"
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
	verbose        bool
	watch          bool
	saveDir        string
	secrets        cli.SecretFlags
	relay          relayOptions
	inspect        inspectOptions
	log            cli.LogFlag
	interactive    bool
}

// NewListenCmd returns the listen command.
func NewListenCmd(a *cli.App) *cobra.Command {
	o := listenOptions{}
	cmd := &cobra.Command{
		Use:         "listen",
		Annotations: reloading(cli.Prints(output.Table, output.JSONL, output.Name, output.None)),
		Short:       "Receive, verify and forward webhooks",
		Long: `Receive webhooks, verify their signatures, and show each request: as a line on
a terminal, and otherwise as one JSON object per line. A line shows the answer
to Mender, the verdict, your application's answer, the event, its device and, if
it was refused, the full reason: "401  valid → app 401" is a valid event that
your application rejected.

listen answers 204 if the signature matches a secret, and 401 if it does not
match or is missing. It uses the secret that you pass or, without one, the
secret that create stored on this machine. Without any secret every request is
"unchecked". To change the secret without losing events, pass both the old and
the new one. Secret files and stored secrets are read again when they change.

With only --forward-to, for development, each event is forwarded to your
application at once, byte for byte, and Mender gets the application's answer.
With --store as well, for production, each event is stored before listen
acknowledges it, and then forwarded until the application accepts it: Mender
itself tries only once. With --nats instead, the store is a stream on a NATS
JetStream cluster, which several listeners can share. From the store, events can
be forwarded to several targets, each with a name: one that is down does not
delay the others.

--exec runs a program for each event instead: without a shell or arguments, with
the exact body on stdin, and with MENDER_EVENT_ID, _TYPE, _DEVICE and _STATUS in
its environment. Exit code 0 accepts the event and 65 makes it a dead letter;
after any other code, the program runs again. Its output is logged. Without
--store or --nats, listen answers Mender before it runs the program, and the
event is lost if the program fails.

-f takes routes from a file instead, to applications and programs, each with its
own filter, format and retries. The file can have endpoints for several
organizations. SIGHUP, or with --watch each change of the file, makes listen
apply it without losing an event. See docs/listen-file.md.

--interactive shows the requests on a full screen: browse and filter them, see
one in full, and send it to your application again. --inspect serves a page for
your browser that can do the same. If stdout is not a terminal, --interactive
shows lines.

With every output format, stderr has a log of the application's outages, dead
letters, invalid signatures and refused events, and a summary at the end. The
number of lines per minute is limited.

--respond, --delay and --fail-rate simulate a faulty receiver, to see failures
in Mender's activity log. listen exits with 0 on Ctrl-C.`,
		Example: `  mender-webhooks listen --secret-file hook.secret
  mender-webhooks listen --secret-file hook.secret --forward-to 3000
  mender-webhooks listen --secret-file hook.secret --forward-to 3000 --interactive
  mender-webhooks listen --secret-file hook.secret --forward-to 3000 --inspect
  mender-webhooks listen --secret-file hook.secret --store /var/lib/mender-webhooks --forward-to http://localhost:3000/hook
  mender-webhooks listen --secret-file hook.secret --nats nats://nats-0,nats://nats-1 --replicas 3 --forward-to http://app/hook
  mender-webhooks listen --secret-file hook.secret --store queue --forward-to inventory=3000 --forward-to tickets=3001
  mender-webhooks listen --secret-file hook.secret --store queue --exec ./handle-event
  mender-webhooks listen --secret-file hook.secret --store queue -f listen.yaml
  mender-webhooks listen --secret-file hook.secret --exit-after 1 --timeout 30s`,
		Args:    cli.Args(0, 0, "no arguments"),
		PreRunE: func(cmd *cobra.Command, args []string) error { return o.begin(a, cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runListen(cmd.Context(), a, o)
		},
	}
	o.register(cmd.Flags())
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	return cmd
}

// begin begins the log and checks the combination of flags.
func (o *listenOptions) begin(a *cli.App, cmd *cobra.Command, args []string) error {
	if err := o.log.Begin(a); err != nil {
		return err
	}
	if err := listenRules().Check(cmd, args); err != nil {
		return err
	}
	return forwardRules().Check(cmd, args)
}

// reloading adds to the annotations of listen that it reads its file again on SIGHUP.
func reloading(annotations map[string]string) map[string]string {
	annotations[cli.ReloadsWith] = "file"
	return annotations
}

func listenRules() cli.Rules {
	stored := []string{"store", "nats", "nats-context"}
	return cli.Rules{
		Against: map[string][]string{
			"store":   {"nats", "nats-context", "replicas"},
			"respond": {"forward-to", "exec", "store", "nats", "nats-context"},
			"exec":    {"forward-to", "file", "dead-on", "target-skip-verify"},
			"file":    {"forward-to", "concurrency", "dead-on", "forward-timeout", "max-age", "max-attempts"},

			"interactive": {"output", "jq", "no-headers", "verbose"},
		},
		Needs: cli.NatsNeeds(map[string][]string{
			"sync": {"store"}, "replicas": {"nats", "nats-context"},
			"recover": stored, "reconcile": stored, "keep": stored, "max-bytes": stored, "max-age": stored, "max-attempts": stored,
			"dead-on": stored, "concurrency": append(stored, "exec"),
			"forward-timeout": {"forward-to", "exec"},
			"tls-cert":        {"tls-key"}, "tls-key": {"tls-cert"},
			"inspect-edit": {"inspect"}, "watch": {"file"},
		}),
	}
}

// forwardRules returns the rules for the flags that require a target.
func forwardRules() cli.Rules {
	forwarded := []string{"forward-to", "exec"}
	return cli.Rules{Needs: map[string][]string{"max-age": forwarded, "max-attempts": forwarded, "dead-on": {"forward-to"}, "concurrency": forwarded}}
}

func (o *listenOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "address to listen on, as `HOST:PORT`; port 0 picks a free port")
	f.StringVar(&o.path, "path", "", "accept only this `PATH` (default: any path)")
	o.secrets.Register(f)
	f.BoolVar(&o.allowUnchecked, "allow-unchecked", false, "without a secret: accept requests from other machines, and store and forward events")
	o.relay.register(f)
	f.BoolVar(&o.watch, "watch", false, "with --file: apply the file whenever it changes")
	f.StringVar(&o.tlsCert, "tls-cert", "", "serve HTTPS with the certificate in `FILE`, read again when it changes")
	f.StringVar(&o.tlsKey, "tls-key", "", "`FILE` with the private key of the certificate")
	f.Int64Var(&o.maxBody, "max-body", webhook.MaxBody, "largest body to accept, in `BYTES`")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics, /healthz and /readyz on `HOST:PORT`")
	o.log.Register(f)
	f.IntVar(&o.respond, "respond", 0, "answer valid events with this `STATUS`")
	f.DurationVar(&o.delay, "delay", 0, "`DURATION` to wait before each answer")
	f.Float64Var(&o.failRate, "fail-rate", 0, "`SHARE` of valid events to answer with 500, from 0 to 1")
	f.IntVar(&o.exitAfter, "exit-after", 0, "exit after `N` valid (or unchecked) events")
	f.DurationVar(&o.timeout, "timeout", 0, "exit after a `DURATION`, with code 7 if --exit-after is not reached (default: no limit)")
	f.DurationVar(&o.grace, "grace", receiver.DefaultGrace, "on exit: `DURATION` to wait for requests and attempts in progress")
	f.StringVar(&o.saveDir, "save", "", "save each request as a file in `DIR`, for verify and trigger --request; the last 1000 are retained")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "browse the requests on a full screen; ? shows its keys (default: lines)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show each request's headers, with credentials masked, and body below its line")
	o.inspect.register(f)
	f.BoolVar(&o.utc, "utc", false, "show times in UTC (default: local times on a terminal)")
}

func (o *listenOptions) check() error {
	switch {
	case o.respond != 0 && (o.respond < 200 || o.respond > 599):
		return cli.Usagef("invalid --respond %d: must be from 200 to 599", o.respond)
	case !(o.failRate >= 0 && o.failRate <= 1): // also true for NaN
		return cli.Usagef("invalid --fail-rate %v: must be from 0 to 1", o.failRate)
	case o.delay < 0:
		return cli.Usagef("invalid --delay %s: must not be negative", o.delay)
	case o.path != "" && !strings.HasPrefix(o.path, "/"):
		return cli.Usagef("invalid --path %q: must begin with a slash", o.path)
	}
	err := positive(o.secrets.Flags, "exit-after", "timeout", "grace", "max-body", "max-bytes", "keep", "max-age", "max-attempts", "forward-timeout", "concurrency", "reconcile")
	if err != nil {
		return err
	}
	if o.addr, err = cli.ListenAddress("--addr", o.addr); err != nil {
		return err
	}
	if o.metrics != "" {
		if o.metrics, err = cli.ListenAddress("--metrics", o.metrics); err != nil {
			return err
		}
	}
	if err := o.inspect.check(); err != nil {
		return err
	}
	return o.relay.check()
}

// positive returns a usage error if one of the flags is given and not positive. It
// refuses 0, too: for no limit, users leave the flag out.
func positive(f *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		value := f.Lookup(name).Value.String()
		if f.Changed(name) && (strings.HasPrefix(value, "-") || strings.HasPrefix(value, "0") && strings.Trim(value, "0 sB") == "") {
			return cli.Usagef("invalid --%s %s: must be positive", name, value)
		}
	}
	return nil
}

// warn warns about flags that delay the answer past Mender's time limit.
func (o *listenOptions) warn(a *cli.App) {
	const warning = "%s %s is too long: Mender waits only %s for an answer, and does not log a delivery that takes longer"
	if o.delay >= menderPatience {
		a.Warn(warning, "--delay", o.delay, menderPatience)
	}
	if len(o.relay.forwardTo) > 0 && !o.relay.stores() && o.relay.forwardTimeout >= menderPatience {
		a.Warn(warning, "--forward-timeout", o.relay.forwardTimeout, menderPatience)
	}
}

// menderPatience is how long Mender waits for the answer to a delivery.
const menderPatience = 10 * time.Second

// loadTLS returns the TLS settings for --tls-cert, or nil without the flag. The
// certificate is read again when its file changes.
func (o *listenOptions) loadTLS(a *cli.App) (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	config, err := receiver.LoadTLS(o.tlsCert, o.tlsKey, func(r receiver.Reload) {
		if r.Err != nil {
			a.Warn("cannot use the changed certificate in %s: %v; the previous one stays in use", r.Path, r.Err)
		} else {
			a.Say("%s changed: now using its certificate", r.Path)
		}
	})
	if err != nil {
		return nil, cli.Usagef("--tls-cert: %w", err)
	}
	return config, nil
}
