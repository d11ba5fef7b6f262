package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// demoTimeout limits the duration of the demo, which usually takes 1 to 2 seconds.
const demoTimeout = 30 * time.Second

// NewDemoCmd returns the demo command.
func NewDemoCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "demo",
		Annotations: cli.Prints(output.Table),
		Short:       "Show a complete round trip on this machine",
		Long: `Show a complete round trip on this machine: start a stand-in for Mender and a
receiver on free ports, create a webhook with a new secret, take a device from
provisioning to decommissioning, show each delivery and its verdict, refuse two
forged requests, show the server's log, and delete the webhook. Each step prints
the command that you would type.

The demo sends nothing to other machines and leaves no files. It exits with 0 if
every step succeeds.`,
		Example: "  mender-webhooks demo",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), a)
		},
	}
}

// demo holds a stand-in for Mender, a receiver, and the webhook that connects them.
type demo struct {
	a         *cli.App
	printer   *output.Printer
	sandbox   *sandbox.Sandbox
	server    string
	client    *mender.Client
	secret    webhook.Secret
	addr      string // address of the receiver
	hook      string
	records   chan receiver.Record
	device    string
	webhookID string
}

func runDemo(ctx context.Context, a *cli.App) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	d := &demo{a: a, printer: p, secret: webhook.GenerateSecret(), records: make(chan receiver.Record, 64), device: uuid.NewString()}
	stopServer, err := d.startServer(ctx)
	if err != nil {
		return err
	}
	stopReceiver, err := d.startReceiver(ctx)
	if err != nil {
		return errors.Join(err, stopServer())
	}
	// Stop the server first, because it closes its connections to the receiver.
	defer func() { err = errors.Join(err, stopServer(), stopReceiver()) }()
	for _, step := range []func(context.Context) error{d.create, d.receive, d.live, d.forge, d.activity, d.remove} {
		if err := step(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return cli.Failf(fault.Timeout, "the demo did not finish within %s: %w", demoTimeout, err)
			}
			return err
		}
	}
	if err := d.print("\n%s Every step succeeded. No files were left behind.\n", d.a.OutStyle().Green("✓")); err != nil {
		return err
	}
	d.a.Say("Try it yourself with `mender-webhooks sandbox --fleet 10 -- bash`, or log in to your server with `mender-webhooks login`.")
	return nil
}

// print writes to stdout.
func (d *demo) print(format string, args ...any) error {
	_, err := fmt.Fprintf(d.a.Stdout(), format, args...)
	return err
}

// step prints the headline of a step and its commands. Users can run the commands
// of all steps in this order.
func (d *demo) step(headline string, commands ...string) error {
	err := d.print("\n%s\n", d.a.OutStyle().Bold(output.WrapLines(headline, d.a.OutWidth())))
	for _, command := range commands {
		err = errors.Join(err, d.print("%s\n", d.a.OutStyle().Dim(d.a.WrapCommands("  $ "+command))))
	}
	return err
}

func (d *demo) startServer(ctx context.Context) (stop func() error, err error) {
	d.sandbox, err = sandbox.New(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, d.sandbox.Close())
	}
	srv := &http.Server{Handler: d.sandbox, ReadHeaderTimeout: demoTimeout}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	stop = func() error {
		err := srv.Close()
		if cause := <-served; !errors.Is(cause, http.ErrServerClosed) {
			err = errors.Join(err, cause)
		}
		return errors.Join(err, d.sandbox.Close())
	}
	d.server = "http://" + l.Addr().String()
	d.client, err = mender.New(mender.Options{Server: d.server, Token: d.sandbox.AdminToken(), UserAgent: "mender-webhooks/" + cli.Version()})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	if err := d.step("1. Start a stand-in for Mender, and a shell that uses it", "mender-webhooks sandbox -- bash"); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, d.print("  It listens on %s.\n", d.server)
}

func (d *demo) startReceiver(ctx context.Context) (stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	rc, err := receiver.New(receiver.Options{
		Secrets: func() []webhook.Secret { return []webhook.Secret{d.secret} },
		Observe: func(x receiver.Exchange) { d.records <- x.Record() },
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	srv := receiver.NewServer(receiver.ServerOptions{Handler: rc, Grace: time.Second})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()
	stop = func() error {
		cancel()
		return <-served
	}
	d.addr = l.Addr().String()
	d.hook = "http://" + d.addr + "/mender"
	return stop, nil
}

// receive introduces the receiver, which is already running.
func (d *demo) receive(context.Context) error {
	if err := d.step("3. Start a receiver that verifies signatures with this secret", "mender-webhooks listen --addr "+d.addr); err != nil {
		return err
	}
	return d.print("  It listens on %s.\n", d.hook)
}
