package receiving

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/trigger"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// maxMessage is the maximum size of a request in a file, in bytes: the body and
// 64 KiB for the headers.
const maxMessage = webhook.MaxBody + 64<<10

// requestOptions are the flags of trigger that print a request or read it from a
// file.
type requestOptions struct {
	print bool
	file  string
}

func (o *requestOptions) register(f *pflag.FlagSet) {
	f.BoolVar(&o.print, "print", false, "print the HTTP request instead of sending it")
	f.StringVar(&o.file, "request", "", "send the HTTP request in this `FILE` as it is, as --print or listen --save wrote it")
}

// printRequest writes the request that would be sent, byte for byte.
func (o triggerOptions) printRequest(a *cli.App) error {
	message, err := o.load.Message()
	if err == nil {
		_, err = a.Stdout().Write(message.Bytes())
	}
	return err
}

// sendRequest sends the request in a file. It uses the path in the file unless
// --to has one.
func (o triggerOptions) sendRequest(ctx context.Context, a *cli.App, p *output.Printer) error {
	to, err := cli.ParseURL("--to", o.to)
	if err != nil {
		return err
	}
	data, err := a.ReadBytes(ctx, o.request.file, maxMessage)
	if err != nil {
		return err
	}
	message, err := webhook.ParseMessage(data)
	if err != nil {
		return cli.Usagef("--request %s: %w", textfile.Name(o.request.file), err)
	}
	req, err := trigger.Saved(ctx, to, message)
	if err != nil {
		return cli.Usagef("--to: %w", err)
	}
	sender, err := o.target.Sender(a, 1)
	if err != nil {
		return err
	}
	defer sender.Close()
	event, _ := webhook.ParseEvent(message.Body) // the body is sent even if it is not an event
	return showDelivery(ctx, p, event, trigger.Send(sender, req))
}
