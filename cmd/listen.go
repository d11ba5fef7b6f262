package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type listenOptions struct {
	addr           string
	path           string
	maxBody        int64
	allowUnchecked bool
	respond        int
	delay          time.Duration
	failRate       float64
	exitAfter      int
	timeout        time.Duration
	grace          time.Duration
	utc            bool
	secrets        secretFlags
}

func newListenCmd(a *app) *cobra.Command {
	o := listenOptions{}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks, verify their signatures, and show them",
		Long: `Receive webhooks, verify their signatures, and show each request: on a terminal
a line, elsewhere a JSON object a line.

A request whose signature matches a secret is answered 204; one that is
unsigned or signed otherwise 401. Without a secret, nothing can be checked and
everything is "unchecked". Several secrets can be given, so that one can be
changed without losing events, and secret files are read again when they
change.

--respond, --delay and --fail-rate make it the bad receiver that one wants to
see in Mender's activity. It ends with 0 on Ctrl-C.`,
		Example: `  mender-webhooks listen --secret-file hook.secret
  mender-webhooks listen --addr 127.0.0.1:9000 --path /hook -o jsonl > events.jsonl
  mender-webhooks listen --secret-file hook.secret --exit-after 1 --timeout 30s`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runListen(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "where to listen, `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&o.path, "path", "", "the only `PATH` to take (default: every path)")
	o.secrets.register(f)
	f.BoolVar(&o.allowUnchecked, "allow-unchecked", false, "listen beyond this machine without a secret")
	f.Int64Var(&o.maxBody, "max-body", webhook.MaxBody, "the largest body taken, in `bytes`")
	f.IntVar(&o.respond, "respond", 0, "answer valid events with this `STATUS`")
	f.DurationVar(&o.delay, "delay", 0, "wait before each answer")
	f.Float64Var(&o.failRate, "fail-rate", 0, "the `SHARE` of valid events to answer with 500, from 0 to 1")
	f.IntVar(&o.exitAfter, "exit-after", 0, "end after `N` valid (or unchecked) events")
	f.DurationVar(&o.timeout, "timeout", 0, "end after so long; with --exit-after, that is exit code 7")
	f.DurationVar(&o.grace, "grace", 10*time.Second, "how long requests under way may take at the end")
	f.BoolVar(&o.utc, "utc", false, "times in UTC (on a terminal they are local)")
	return cmd
}

func (o listenOptions) check() error {
	switch {
	case o.respond != 0 && (o.respond < 200 || o.respond > 599):
		return usagef("--respond %d is no status to answer with: it is 200 to 599", o.respond)
	case o.failRate < 0 || o.failRate > 1:
		return usagef("--fail-rate %v: it is a share from 0 to 1", o.failRate)
	case o.exitAfter < 0 || o.delay < 0 || o.timeout < 0 || o.maxBody < 1:
		return usagef("--exit-after, --delay, --timeout and --max-body can't be negative")
	}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return hinted(usagef("--addr %q is no address to listen on", o.addr), "write it as HOST:PORT, such as 127.0.0.1:8090")
	}
	return nil
}

func runListen(ctx context.Context, a *app, o listenOptions) error {
	p, err := a.streamPrinter()
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	secrets, err := o.secrets.reloading(a)
	if err != nil {
		return err
	}
	checked := len(secrets()) > 0
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return hinted(failf(exitFailed, "listen on %s: %w", o.addr, err), "is something else listening there? --addr chooses another address")
	}
	defer l.Close()
	if !checked && !o.allowUnchecked && !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return hinted(usagef("refusing to listen on %s without a secret: other machines could send anything", l.Addr()),
			"give --secret-file FILE, or --allow-unchecked")
	}
	a.say("listening on http://%s%s; Ctrl-C ends it", l.Addr(), o.path)
	if !checked {
		a.warn("no secret is known, so signatures are not checked; give --secret-file FILE or MENDER_WEBHOOK_SECRET")
	}
	return serveEvents(ctx, a, p, o, l, secrets)
}

// serveEvents runs the receiver until ctx ends, the time is up, or enough
// events came.
func serveEvents(ctx context.Context, a *app, p *output.Printer, o listenOptions, l net.Listener, secrets func() []webhook.Secret) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeIsUp)
		defer cancel()
	}
	stream := p.Stream(recordColumns())
	taken := 0
	rc, err := receiver.New(receiver.Options{
		Secrets: secrets, AllowUnchecked: true, Path: o.path, MaxBody: o.maxBody,
		Respond: o.respond, Delay: o.delay, FailRate: o.failRate, Remember: 10000,
		Observe: a.observer(p, o, stream, &taken, end),
		Counted: countedEvents(p, o, end),
	})
	if err != nil {
		return &cliError{code: exitUsage, err: err}
	}
	// Why it ends is for this function to tell, not for the server.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, stop)
	serveErr := receiver.NewServer(receiver.ServerOptions{Handler: rc, Grace: o.grace}).Serve(serving, l)
	shown, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace)
	defer cancel()
	closeErr := errors.Join(rc.Close(shown), stream.Close())
	a.sayReceived(rc)
	switch cause := context.Cause(ctx); {
	case serveErr != nil:
		return serveErr
	case errors.Is(cause, errTimeIsUp) && o.exitAfter > 0:
		return failf(exitTimeout, "%s passed, and %d of %s came", o.timeout, taken, plural(o.exitAfter, "event"))
	case cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, errTimeIsUp) && !errors.Is(cause, errEnough):
		return cause
	}
	return closeErr
}

var (
	errTimeIsUp = errors.New("the time is up")
	errEnough   = errors.New("enough events came")
)

// observer shows each request. With -o none there is nothing to show, and
// requests are only counted.
func (a *app) observer(p *output.Printer, o listenOptions, stream *output.Stream, taken *int, end context.CancelCauseFunc) func(receiver.Record) {
	if p.Format() == output.None {
		return nil
	}
	return func(r receiver.Record) {
		if o.exitAfter > 0 && *taken >= o.exitAfter {
			return
		}
		item := output.Item{Value: r, Row: recordRow(r, o.utc), Name: r.ID}
		if err := stream.Write(item); err != nil {
			end(err)
			return
		}
		if accepted(r.Verdict) {
			if *taken++; *taken == o.exitAfter {
				end(errEnough)
			}
		}
	}
}

func accepted(v webhook.Verdict) bool { return v == webhook.Valid || v == webhook.Unchecked }

// countedEvents ends the run after enough events where none is shown.
func countedEvents(p *output.Printer, o listenOptions, end context.CancelCauseFunc) func(webhook.Verdict, int, time.Duration) {
	if p.Format() != output.None || o.exitAfter == 0 {
		return nil
	}
	var taken atomic.Int64
	return func(v webhook.Verdict, _ int, _ time.Duration) {
		if accepted(v) && taken.Add(1) == int64(o.exitAfter) {
			end(errEnough)
		}
	}
}

// sayReceived sums up what came.
func (a *app) sayReceived(rc *receiver.Receiver) {
	text := ""
	for _, v := range []webhook.Verdict{webhook.Valid, webhook.Invalid, webhook.Unsigned, webhook.Unchecked, webhook.Rejected} {
		if n := rc.Count(v); n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	if text == "" {
		text = ", nothing"
	}
	a.say("received: %s", text[2:])
	if n := rc.Dropped(); n > 0 {
		a.warn("%d requests were answered but could not be shown in time: the reader of stdout is too slow", n)
	}
}

func recordColumns() []output.Column {
	return []output.Column{
		{Name: "TIME", Min: 19}, {Name: "STATUS", Min: 6, Color: answerColor}, {Name: "VERDICT", Min: 9, Color: verdictColor},
		{Name: "ID", Min: shortID}, {Name: "EVENT", Min: 22}, {Name: "DEVICE", Min: 36, Shrink: true}, {Name: "NOTE", Shrink: true},
	}
}

func answerColor(cell string) output.Color {
	if len(cell) > 0 && cell[0] == '2' {
		return output.Green
	}
	return output.Red
}

func verdictColor(cell string) output.Color {
	switch webhook.Verdict(cell) {
	case webhook.Valid:
		return output.Green
	case webhook.Unchecked:
		return output.Yellow
	}
	return output.Red
}

func recordRow(r receiver.Record, utc bool) []string {
	event := webhook.Event{Type: webhook.EventType(r.Type), Data: r.Data}
	device := event.DeviceID()
	note := string(r.Reason)
	if status := event.DeviceStatus(); status != "" {
		note = joinNotes(string(status), note)
	}
	if r.Duplicate {
		note = joinNotes(note, "duplicate")
	}
	if r.Forward != nil {
		note = joinNotes(note, fmt.Sprintf("forwarded: %d in %.1f ms", r.Forward.Status, r.Forward.DurationMS))
		if r.Forward.Error != "" {
			note = joinNotes(note, output.MaskText(r.Forward.Error))
		}
	}
	return []string{
		output.Time(r.ReceivedAt, utc), fmt.Sprintf("%d", r.Status), string(r.Verdict),
		shorten(r.ID), r.Type, device, note,
	}
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}
