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
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// demoTimeout bounds the whole demo, which takes a second or two.
const demoTimeout = 30 * time.Second

// NewDemoCmd returns the demo command.
func NewDemoCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "The whole round trip on this machine, in one command",
		Long: `Play the whole round trip on this machine: start a stand-in for Mender and a
receiver on free ports, create a webhook with a generated secret, lead a device
through its life, show each delivery and what the receiver thinks of it, then
two forged requests being refused, then the activity as the server logged it,
and delete the webhook. Each step shows the command that you would type.

Nothing leaves this machine and nothing stays behind. Exit code 0 means that
every step went as it should.`,
		Example: "  mender-webhooks demo",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), a)
		},
	}
}

// demo is the stage: a stand-in for Mender, a receiver, and the webhook from
// the one to the other.
type demo struct {
	a         *cli.App
	printer   *output.Printer
	sandbox   *sandbox.Sandbox
	server    string
	client    *mender.Client
	secret    webhook.Secret
	addr      string // the receiver's
	hook      string
	records   chan receiver.Record
	device    string
	webhookID string
}

func runDemo(ctx context.Context, a *cli.App) (err error) {
	p, err := a.Open(output.Table, false, output.Table)
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
	// The server goes first, and lets go of its connections to the receiver.
	defer func() { err = errors.Join(err, stopServer(), stopReceiver()) }()
	for _, step := range []func(context.Context) error{d.create, d.receive, d.live, d.forge, d.activity, d.remove} {
		if err := step(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return cli.Failf(cli.ExitTimeout, "the demo did not end within %s: %w", demoTimeout, err)
			}
			return err
		}
	}
	if err := d.tell("\n%s Every step went as it should, and nothing stays behind.\n", d.a.OutStyle().Green("✓")); err != nil {
		return err
	}
	d.a.Say("To try it yourself: `mender-webhooks sandbox --fleet 10 -- bash`. With your server: `mender-webhooks login`.")
	return nil
}

// tell prints the demo's own words.
func (d *demo) tell(format string, args ...any) error {
	_, err := fmt.Fprintf(d.a.Out, format, args...)
	return err
}

// step is a headline and the commands that a user would type: in this order
// they work.
func (d *demo) step(headline string, commands ...string) error {
	err := d.tell("\n%s\n", d.a.OutStyle().Bold(headline))
	for _, command := range commands {
		err = errors.Join(err, d.tell("  %s\n", d.a.OutStyle().Dim("$ "+command)))
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
	if err := d.step("1. A stand-in for Mender's server, and a shell that knows it", "mender-webhooks sandbox -- bash"); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, d.tell("  It listens on %s.\n", d.server)
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

// receive tells of the receiver, which has been there all the time.
func (d *demo) receive(context.Context) error {
	if err := d.step("3. A receiver that finds the secret, and checks signatures with it", "mender-webhooks listen --addr "+d.addr); err != nil {
		return err
	}
	return d.tell("  It listens on %s.\n", d.hook)
}
