package activity

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type forwardOptions struct {
	to, secretFile string
	target         cli.TargetFlags
}

func (o *forwardOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.to, "forward-to", "", "with --follow: forward each event, rebuilt from the log, to a local `URL` or port")
	f.StringVar(&o.secretFile, "forward-secret-file", "", "`FILE` with the secret to sign forwarded events; created if missing")
	o.target.Register(f)
}

func (o forwardOptions) check() error {
	switch {
	case o.to == "" && o.secretFile != "":
		return cli.Usagef("--forward-secret-file requires --forward-to")
	case o.to != "" && o.secretFile == "":
		return cli.Hinted(cli.Usagef("--forward-to requires a secret to sign with, other than the webhook's"),
			"pass --forward-secret-file FILE, which your application reads, too; the file is created if it is missing")
	}
	return o.target.Check("--forward-to", o.to)
}

// forwarder forwards events that were rebuilt from the log. A nil forwarder does
// nothing.
type forwarder struct {
	app     *cli.App
	patient replay.Patient
	secret  webhook.Secret
	file    string
	created bool // whether open created the secret and its file
}

// open opens the target, and reads the secret or creates a new one.
func (o forwardOptions) open(a *cli.App) (*forwarder, error) {
	if o.to == "" {
		return nil, nil
	}
	u, err := cli.ParseURL("--forward-to", o.to)
	if err != nil {
		return nil, err
	}
	t, err := o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout})
	if err != nil {
		return nil, err
	}
	f := &forwarder{app: a, file: o.secretFile}
	f.patient = replay.Patient{Target: t, Refused: f.refused, Away: f.away, Back: f.back}
	f.secret, f.created, err = config.SigningSecretFile(o.secretFile, a.In)
	if err != nil {
		return nil, cli.Usagef("--forward-secret-file %s: %w", o.secretFile, err)
	}
	return f, nil
}

func (f *forwarder) close() {
	if f != nil {
		_ = f.patient.Target.Close()
	}
}

func (f *forwarder) announce(a *cli.App) {
	if f == nil {
		return
	}
	if f.created {
		a.Say("created a secret for your application in %s", f.file)
	}
	a.Say("forwarding to %s: events are rebuilt from Mender's log, so bytes and times differ from Mender's own deliveries; "+
		"they are signed with the secret %s and marked %s: %s", f.patient.Target, f.secret.Fingerprint(), target.HeaderRebuilt, replay.RebuiltFromLog)
}

// send forwards an event and returns once the application has accepted or refused
// it. Later events are not lost in the meantime, because they are in the log.
func (f *forwarder) send(ctx context.Context, e *mender.Event) error {
	if f == nil {
		return nil
	}
	rebuilt, err := replay.FromLog(*e, f.secret)
	if err != nil {
		return err
	}
	return f.patient.Deliver(ctx, rebuilt)
}

func (f *forwarder) refused(e target.Event, r target.Result) {
	f.app.Warn("the application refused event %s (status %d); continuing with the next", e.ID, r.Status)
}

func (f *forwarder) away(e target.Event, r target.Result) {
	f.app.Warn("the application does not answer: %s; event %s and later ones wait for it", output.MaskText(r.Err.Error()), e.ID)
}

func (f *forwarder) back() { f.app.Say("the application accepts events again") }
