package receiving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// listening is one run of the listen command.
type listening struct {
	app     *cli.App
	options listenOptions
	printer *output.Printer
	secrets func() []webhook.Secret // of the command line; nil if the file has endpoints
	file    *listenFile             // nil without -f
	saver   *listener.Saver         // nil without --save
	log     *output.Held            // nil without --interactive
	screen  *screen                 // nil without --interactive
}

func runListen(ctx context.Context, a *cli.App, o listenOptions) (err error) {
	p, err := a.StreamPrinter(o.verbose)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	l := &listening{app: a, options: o, printer: p}
	if o.interactive && a.FullScreen("--interactive") {
		l.log = a.HoldStderr()
	}
	attach := a.DetachStderr()
	defer attach()
	o.warn(a)
	return cli.UntilInterrupted(ctx, l.run(ctx))
}

func (l *listening) run(ctx context.Context) error {
	sockets, err := listener.Inherited()
	if err != nil {
		return err
	}
	options, err := cli.Interruptible(ctx, func() (listener.Options, error) { return l.prepare(ctx, sockets) })
	if err != nil {
		return err
	}
	if l.saver, err = l.options.openSaver(); err != nil {
		return err
	}
	ls, err := listener.Open(ctx, options)
	if err != nil {
		return l.options.relay.explain(err)
	}
	if !l.options.relay.stores() {
		// So little memory is retained that the garbage collector would run many
		// times a second. With this setting, -o none reaches 0.86 of the
		// throughput of a bare handler instead of 0.80, for a few MiB more.
		debug.SetGCPercent(400)
	}
	l.screen = l.openScreen(ls, l.log)
	endPage := func() {}
	defer func() { endPage() }()
	return l.serve(ctx, ls, func() (ports listener.Ports, err error) {
		if endPage, err = l.inspect(ctx, ls); err != nil {
			return ports, err
		}
		ports, err = l.options.ports(ctx, sockets)
		if err == nil {
			l.announce(ports)
			l.lookUpWebhook(ctx, addrsOf(ports.Events))
		}
		return ports, err
	})
}

// prepare reads the files that the options name, and runs all checks that change
// nothing.
func (l *listening) prepare(ctx context.Context, sockets []net.Listener) (lo listener.Options, err error) {
	addrs, addrErr := l.options.addresses(sockets)
	if l.file, err = l.openFile(ctx, addrs); err != nil {
		return lo, err
	}
	if !l.file.hasEndpoints() {
		if l.secrets, err = l.options.secrets.Reloading(ctx, l.app); err != nil {
			return lo, err
		}
	}
	if addrErr != nil {
		return lo, addrErr
	}
	if err := l.checkAccess(addrs); err != nil {
		return lo, err
	}
	return l.listenerOptions()
}

// checkAccess returns a usage error for settings that would let others send
// events, or that would make events loop.
func (l *listening) checkAccess(addrs []net.Addr) error {
	o := l.options
	unsafe := !l.file.hasEndpoints() && len(l.secrets()) == 0 && !o.allowUnchecked
	switch {
	case unsafe && o.relay.wanted():
		return cli.Hinted(cli.Usagef("no secret is known: events that cannot be checked are not stored or forwarded"),
			"pass --secret-file FILE, or --allow-unchecked")
	case unsafe && !listener.LoopbackOnly(addrs):
		return cli.Hinted(cli.Usagef("no secret is known: other machines could send anything to %s", joinAddrs(addrs)),
			"pass --secret-file FILE, or --allow-unchecked")
	}
	return o.relay.checkLoop(addrs)
}

func (l *listening) listenerOptions() (listener.Options, error) {
	o := &l.options
	lo := listener.Options{
		Server: receiver.ServerOptions{Grace: o.grace, Warn: func(text string) { l.app.Warn("%s", text) }},
		Info:   l.app.Say, Warn: l.app.Warn,
	}
	if l.app.Flags.Debug {
		lo.Server.Trace = func(text string) { l.app.Say("%s", text) }
	}
	var err error
	if lo.Server.TLS, err = o.loadTLS(l.app); err != nil {
		return lo, err
	}
	o.relay.keepAnswers = o.inspect.addr != "" || o.interactive
	lo.Endpoints, err = l.endpoints(l.file.version())
	return lo, err
}

// dedupWindow is how many recent event ids to remember; 0 if the store
// deduplicates or nothing is shown.
func (l *listening) dedupWindow() int {
	if l.options.relay.stores() || l.printer.Format() == output.None {
		return 0
	}
	return 10_000
}

func (l *listening) announce(ports listener.Ports) {
	scheme := "http"
	if l.options.tlsCert != "" {
		scheme = "https"
	}
	at := scheme + "://" + joinAddrs(addrsOf(ports.Events))
	l.app.Say("listening on %s%s; press Ctrl-C to stop", at, l.options.path)
	if l.file.hasEndpoints() {
		for _, e := range l.file.version().Endpoints {
			l.app.Say("endpoint %s: %s%s", e.Name, at, e.Path)
		}
	}
	if ports.Monitor != nil {
		l.app.Say("metrics on http://%s/metrics", ports.Monitor.Addr())
	}
	l.sayTarget()
	if !l.file.hasEndpoints() && len(l.secrets()) == 0 {
		l.app.Warn("signatures are not checked, since no secret is known; pass --secret-file FILE or set MENDER_WEBHOOK_SECRET")
	}
	if l.options.relay.exec != "" && !l.options.relay.stores() {
		l.app.Warn("without --store or --nats, an event is lost if its program fails")
	}
}

// serve runs until ctx is done, the time is up, or enough events were received.
func (l *listening) serve(ctx context.Context, ls *listener.Listener, open func() (listener.Ports, error)) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if l.options.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.options.timeout, cli.ErrTimeIsUp)
		defer cancel()
	}
	if l.options.exitAfter > 0 {
		ls.Hub().Tap(countdown(l.options.exitAfter, func() { end(cli.ErrEnough) }))
	}
	ended := make(chan time.Time, 1)
	context.AfterFunc(ctx, func() { ended <- time.Now() })
	shown, saved, log := l.display(ls, end), l.save(ls.Hub(), l.saver), ls.Log(l.app.Log(), l.logOptions())
	defer func() { end(nil); l.screen.wait() }() // even if Serve panics
	followed := func() {}
	err := ls.Serve(ctx, func() (listener.Ports, error) {
		ports, err := open()
		if err == nil {
			followed = l.follow(ctx, ls)
			l.screen.start(ctx, ports, end)
		}
		return ports, err
	})
	end(nil)
	followed()
	saved()
	totals := log.Wait()
	err = errors.Join(err, shown.wait(time.Until((<-ended).Add(l.options.grace))))
	l.reportTotals(ls, totals, shown)
	cause, taken := context.Cause(ctx), ls.Count(webhook.Valid)+ls.Count(webhook.Unchecked)
	switch {
	case err != nil:
		return l.options.relay.explain(err)
	case errors.Is(cause, cli.ErrTimeIsUp) && l.options.exitAfter > 0:
		return cli.Failf(fault.Timeout, "received %[2]d of %[3]s within %[1]s", l.options.timeout, taken, cli.Plural(l.options.exitAfter, "event"))
	case errors.Is(cause, cli.ErrTimeIsUp), errors.Is(cause, cli.ErrEnough), errors.Is(cause, context.Canceled):
		return nil
	}
	return cause
}

// logOptions keeps events that are shown on a terminal out of a log on the same one.
func (l *listening) logOptions() listener.LogOptions {
	return listener.LogOptions{EventsShown: l.printer.Format() != output.None && cli.IsTerminal(l.app.Out) && cli.IsTerminal(l.app.Err)}
}

// countdown calls done after n valid or unchecked events.
func countdown(n int, done func()) func(listener.Event) {
	return func(e listener.Event) {
		r, ok := e.(listener.Received)
		if !ok || r.Verification.Verdict != webhook.Valid && r.Verification.Verdict != webhook.Unchecked {
			return
		}
		if n--; n == 0 {
			done()
		}
	}
}

// reportTotals reports how many requests were received, what became of the events,
// and how many lines were not shown.
func (l *listening) reportTotals(ls *listener.Listener, totals listener.Totals, shown *display) {
	var attrs []slog.Attr
	sum := uint64(0)
	for _, v := range verdicts() {
		n := ls.Count(webhook.Verdict(v))
		sum += n
		attrs = append(attrs, slog.Uint64(v, n))
	}
	attrs = append(attrs, slog.Uint64("received", sum))
	text := "received: " + counts(ls)
	if l.options.relay.forwards() {
		text += fmt.Sprintf("; forwarded: %d", totals.Forwarded)
		attrs = append(attrs, slog.Uint64("forwarded", totals.Forwarded), slog.Uint64("failed_attempts", totals.Failed))
	}
	if q := totals.Queue; q != nil {
		text += fmt.Sprintf("; waiting: %d; dead letters: %d", q.Waiting, q.Dead)
		attrs = append(attrs, slog.Uint64("waiting", q.Waiting), slog.Uint64("dead", q.Dead))
	}
	if l.app.LogsJSON() == nil {
		attrs = nil // the text says it
	}
	l.app.Log().LogAttrs(context.Background(), slog.LevelInfo, text, attrs...)
	if n := shown.dropped(); n > 0 {
		l.app.Warn("%s not shown: stdout is read too slowly, or cannot be written to", cli.Plural(int(n), "line")) //nolint:gosec // a count of lines
	}
}

// counts returns how many requests were received, by verdict.
func counts(ls *listener.Listener) string {
	text := ""
	for _, v := range verdicts() {
		if n := ls.Count(webhook.Verdict(v)); n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	if text == "" {
		return "nothing"
	}
	return text[2:]
}
