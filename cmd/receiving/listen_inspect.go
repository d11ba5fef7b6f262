package receiving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// inspectOptions are the flags for the page that shows the requests.
type inspectOptions struct {
	addr string // empty: no page
	edit bool
}

func (o *inspectOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.addr, "inspect", "", "on this loopback `ADDRESS`, serve a page that shows the requests (without an address: "+inspector.DefaultAddr+", or a free port)")
	f.Lookup("inspect").NoOptDefVal = inspector.DefaultAddr
	f.BoolVar(&o.edit, "inspect-edit", false, "with --inspect: let the page sign and send edited copies of requests")
}

func (o *inspectOptions) check() error {
	if o.addr == "" {
		return nil
	}
	var err error
	if o.addr, err = cli.ListenAddress("--inspect", o.addr); err != nil {
		return err
	}
	addr, err := net.ResolveTCPAddr("tcp", o.addr)
	if err != nil || !listener.LoopbackOnly([]net.Addr{addr}) {
		return cli.Hinted(cli.Usagef("invalid --inspect %s: must be a loopback address, since the page shows every event", o.addr),
			"use 127.0.0.1; to reach it from another machine, forward the port with ssh -L")
	}
	return nil
}

// inspect serves the page until the returned function is called. It does nothing
// without --inspect.
func (l *listening) inspect(ctx context.Context, ls *listener.Listener) (stop func(), err error) {
	o, nothing := l.options.inspect, func() {}
	if o.addr == "" {
		return nothing, nil
	}
	socket, err := o.listen(ctx)
	if err != nil {
		return nothing, err
	}
	page := inspector.New(inspector.Options{Listener: ls, Edit: o.edit, Log: l.mendersLog()})
	forget, err := l.announcePage(page.URL(socket.Addr()), socket.Addr())
	if err != nil {
		return nothing, errors.Join(err, socket.Close())
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := page.Serve(serving, socket); err != nil {
			l.app.Warn("the inspector has ended: %v", err)
		}
	}()
	return func() { cancel(); <-ended; forget() }, nil
}

// shownEvents is how many events of Mender's log the page shows.
const shownEvents = 100

// mendersLog returns the function that reads the newest events of Mender's log, with the
// profile of the endpoint that they are for. Nothing is read before it is called.
func (l *listening) mendersLog() func(context.Context, string) ([]mender.Event, error) {
	a := l.app.Aside()
	return func(ctx context.Context, endpoint string) ([]mender.Event, error) {
		of := a.Aside() // calls may be concurrent
		profile, err := l.file.profileOf(endpoint)
		if err != nil {
			return nil, err
		}
		if profile != "" {
			of = of.ForProfile(profile)
		}
		client, _, err := of.Connect()
		if err != nil {
			return nil, err
		}
		page, err := client.EventsPage(ctx, "", 1, shownEvents)
		if err != nil {
			return nil, err
		}
		return page.Items()
	}
}

// listen listens on the address, or on a free port if the default one is in use.
func (o *inspectOptions) listen(ctx context.Context) (net.Listener, error) {
	socket, err := cli.ListenOn(ctx, "--inspect", o.addr)
	if o.addr == inspector.DefaultAddr && errors.Is(err, syscall.EADDRINUSE) {
		return cli.ListenOn(ctx, "--inspect", "127.0.0.1:0")
	}
	return socket, err
}

// announcePage prints the page's URL on a terminal. Elsewhere, stderr may be a log
// that others can read: the URL, which includes the token, goes into a private
// file, which forget removes.
func (l *listening) announcePage(url string, addr net.Addr) (forget func(), err error) {
	if cli.IsTerminal(l.app.Err) {
		l.app.Say("inspector: %s", url)
		return func() {}, nil
	}
	f, err := os.CreateTemp("", "mender-webhooks-inspector-*.url") // mode 0600
	if err == nil {
		_, err = fmt.Fprintln(f, url)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("--inspect: write the page's URL: %w", err)
	}
	l.app.Say("inspector on http://%s; its URL is in %s", addr, f.Name())
	return func() { _ = os.Remove(f.Name()) }, nil
}
