// Package demo plays a complete round trip on this machine: from a webhook's creation over
// its deliveries to its deletion, with a stand-in for Mender and a receiver.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// timeLimit limits the duration of the demo, which usually takes 1 to 2 seconds.
const timeLimit = 30 * time.Second

// Options are where a demo is shown.
type Options struct {
	Out   io.Writer
	Style output.Style
	// Width is the width of the terminal in columns, or 0 if Out is none.
	Width int
	// Events prints events as a table.
	Events func([]mender.Event) error
	// UserAgent is the user agent for the stand-in for Mender.
	UserAgent string
}

// demo holds a stand-in for Mender, a receiver, and the webhook that connects them.
type demo struct {
	Options
	sandbox   *sandbox.Sandbox
	client    *mender.Client
	secret    webhook.Secret
	addr      string // address of the receiver
	hook      string
	records   chan receiver.Record
	device    string
	webhookID string
}

// Run plays the demo. It listens only on this machine, and leaves no files.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	d := &demo{Options: o, secret: webhook.GenerateSecret(), records: make(chan receiver.Record, 64), device: uuid.NewString()}
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
				return fault.New(fault.Timeout, "the demo did not finish within %s: %w", timeLimit, err)
			}
			return err
		}
	}
	return d.print("\n%s Every step succeeded. No files were left behind.\n", d.Style.Green("✓"))
}

func (d *demo) print(format string, args ...any) error {
	_, err := fmt.Fprintf(d.Out, format, args...)
	return err
}

// step prints the headline of a step and its commands. Users can run the commands
// of all steps in this order.
func (d *demo) step(headline string, commands ...string) error {
	err := d.print("\n%s\n", d.Style.Bold(output.WrapLines(headline, d.Width)))
	for _, command := range commands {
		err = errors.Join(err, d.print("%s\n", d.Style.Dim(output.WrapCommands("  $ "+command, d.Width))))
	}
	return err
}

func (d *demo) startServer(ctx context.Context) (stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.sandbox, err = sandbox.New(sandbox.Options{})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	server := d.sandbox.Serve(l)
	stop = func() error { return errors.Join(server.Close(), d.sandbox.Close()) }
	d.client, err = mender.New(mender.Options{Server: server.URL, Token: d.sandbox.AdminToken(), UserAgent: d.UserAgent})
	if err == nil {
		err = d.step("1. Start a stand-in for Mender, and a shell that uses it", "mender-webhooks sandbox -- bash")
	}
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, d.print("  It listens on %s.\n", server.URL)
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
