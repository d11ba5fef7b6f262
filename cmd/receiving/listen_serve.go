package receiving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// listener is a run of listen: the receiver, what stands behind it, and what
// is shown.
type listener struct {
	app     *cli.App
	options listenOptions
	printer *output.Printer
	secrets func() []webhook.Secret

	sink    sink
	lines   *lines
	rc      *receiver.Receiver
	server  *receiver.Server
	metrics *listenMetrics
	taken   atomic.Int64
	end     context.CancelCauseFunc
}

// open opens the store, if there is one, and makes all that serve needs. On
// an error nothing is left open.
func (l *listener) open(ctx context.Context) (err error) {
	o := l.options
	serverOptions, err := o.reloadTLS(l.app)
	if err != nil {
		return err
	}
	columns, fit := recordTable(l.app.OutWidth(), o.utc)
	l.lines = newLines(l.printer, columns, fit, func(err error) { l.stop(err) })
	if o.metrics != "" {
		l.metrics = newListenMetrics()
	}
	if l.sink, err = l.openSink(ctx); err != nil {
		return errors.Join(err, l.lines.close())
	}
	accept := l.sink.accept
	if l.sink == (nowhere{}) {
		accept = nil
	}
	l.rc, err = receiver.New(receiver.Options{
		Secrets: l.secrets, AllowUnchecked: o.allowUnchecked || !o.relay.wanted(), Path: o.path, MaxBody: o.maxBody,
		Respond: o.respond, Delay: o.delay, FailRate: o.failRate, Remember: l.remember(),
		Accept: accept, Observe: l.observe(), Counted: l.counted,
	})
	if err != nil {
		return errors.Join(&cli.CliError{Code: cli.ExitUsage, Err: err}, l.sink.close(ctx), l.lines.close())
	}
	serverOptions.Handler = l.rc
	l.server = receiver.NewServer(serverOptions)
	return nil
}

// stop ends the run, with a reason; nil is Ctrl-C's.
func (l *listener) stop(cause error) {
	if l.end != nil {
		l.end(cause)
	}
}

// remember is of how many events repeats are marked. A store knows better.
func (l *listener) remember() int {
	if l.options.relay.stores() || l.printer.Format() == output.None {
		return 0
	}
	return 10_000
}

// observe shows each request. With -o none requests are only counted.
func (l *listener) observe() func(receiver.Record) {
	if l.printer.Format() == output.None {
		return nil
	}
	return func(r receiver.Record) {
		l.lines.wait(output.Item{Value: r, Row: recordRow(r, l.options.utc, len(l.secrets()) > 1), Name: r.ID})
	}
}

// counted is told of each answer, whether it is shown or not.
func (l *listener) counted(v webhook.Verdict, status int, took time.Duration) {
	l.metrics.received(v, status, took)
	if v != webhook.Valid && v != webhook.Unchecked {
		return
	}
	if n := l.taken.Add(1); l.options.exitAfter > 0 && n == int64(l.options.exitAfter) {
		l.stop(cli.ErrEnough)
	}
}

// serve runs until ctx ends, the time is up, or enough events came.
func (l *listener) serve(ctx context.Context, listeners []net.Listener) error {
	ctx, l.end = context.WithCancelCause(ctx)
	defer l.end(nil)
	if l.options.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.options.timeout, cli.ErrTimeIsUp)
		defer cancel()
	}
	stopMetrics, err := l.serveMetrics(ctx)
	if err != nil {
		return err
	}
	defer stopMetrics()
	if err := l.sink.start(ctx); err != nil {
		return err
	}
	// Why it ends is told below, and not the server's concern.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, stop)
	go l.watchSecrets(serving)
	serveErr := l.server.Serve(serving, listeners...)
	switch cause := context.Cause(ctx); {
	case serveErr != nil:
		return serveErr
	case errors.Is(cause, cli.ErrTimeIsUp) && l.options.exitAfter > 0:
		return cli.Failf(cli.ExitTimeout, "%s passed, and %d of %s came", l.options.timeout, l.taken.Load(), cli.Plural(l.options.exitAfter, "event"))
	case errors.Is(cause, cli.ErrTimeIsUp), errors.Is(cause, cli.ErrEnough), errors.Is(cause, context.Canceled):
		return nil
	default:
		return cause
	}
}

// close finishes what is under way and shows what is still to be shown.
func (l *listener) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), l.options.grace)
	defer cancel()
	err := errors.Join(l.sink.close(ctx), l.rc.Close(ctx), l.lines.close())
	l.sayReceived()
	return err
}

// sayReceived sums up what came.
func (l *listener) sayReceived() {
	text := ""
	for _, v := range []webhook.Verdict{webhook.Valid, webhook.Invalid, webhook.Unsigned, webhook.Unchecked, webhook.Rejected} {
		if n := l.rc.Count(v); n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	if text == "" {
		text = ", nothing"
	}
	l.app.Say("received: %s", text[2:])
	if n := l.rc.Dropped() + l.lines.dropped.Load(); n > 0 {
		l.app.Warn("%d lines could not be shown in time: the reader of stdout is too slow", n)
	}
}

// watchSecrets has the secrets read again when they change, until ctx ends.
func (l *listener) watchSecrets(ctx context.Context) {
	ticks := time.NewTicker(cli.SecretWatch)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			l.secrets()
		case <-ctx.Done():
			return
		}
	}
}
