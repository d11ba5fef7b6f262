package activity

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/replay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type forwardOptions struct {
	to, secretFile string
	target         cli.TargetFlags
}

func (o *forwardOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.to, "forward-to", "", "with --follow: send each event on to a local `URL` or port, rebuilt from the log")
	f.StringVar(&o.secretFile, "forward-secret-file", "", "the `FILE` with the secret that --forward-to signs with; made where there is none")
	o.target.Register(f)
}

func (o forwardOptions) check() error {
	switch {
	case o.to == "" && o.secretFile != "":
		return cli.Usagef("--forward-secret-file is for --forward-to")
	case o.to != "" && o.secretFile == "":
		return cli.Hinted(cli.Usagef("--forward-to needs a secret to sign with, which is not the webhook's own"),
			"add --forward-secret-file FILE: it is made if it is not there, and your application reads it too")
	}
	return o.target.Check("--forward-to", o.to)
}

// forwarder sends events on. A nil one does nothing.
type forwarder struct {
	app     *cli.App
	patient replay.Patient
	secret  webhook.Secret
	file    string
	made    bool
}

// open finds the secret, or makes one.
func (o forwardOptions) open(a *cli.App) (*forwarder, error) {
	if o.to == "" {
		return nil, nil
	}
	u, err := cli.ParseURL("--forward-to", o.to)
	if err != nil {
		return nil, err
	}
	f := &forwarder{app: a, file: o.secretFile}
	text, err := a.ReadInput(o.secretFile, maxSecretFile)
	if errors.Is(err, fs.ErrNotExist) {
		f.secret, f.made = webhook.GenerateSecret(), true
		err = textfile.CreateSecret(o.secretFile, []byte(f.secret.Hex()+"\n"))
	} else if err == nil {
		f.secret, err = firstSecret(text)
	}
	if err != nil {
		return nil, cli.Usagef("--forward-secret-file %s: %w", o.secretFile, err)
	}
	t, err := o.target.Open(a, httptarget.Options{URL: u, Timeout: webhook.DeliveryTimeout})
	if err != nil {
		return nil, err
	}
	f.patient = replay.Patient{Target: t, Refused: f.refused, Away: f.away, Back: f.back}
	return f, nil
}

const maxSecretFile = 64 << 10

// firstSecret reads a secret file; of several secrets the first one signs.
func firstSecret(text []byte) (webhook.Secret, error) {
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		return webhook.Secret{}, err
	}
	return secrets[0], nil
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
	if f.made {
		a.Say("made a secret for your application, in %s", f.file)
	}
	a.Say("sending events on to %s: rebuilt from Mender's log, so neither the bytes nor the time of Mender's own delivery; "+
		"signed with the secret %s, and marked %s: %s", f.patient.Target, f.secret.Fingerprint(), target.HeaderRebuilt, replay.RebuiltFromLog)
}

// send delivers an event, and comes back when that is done: in the meantime
// Mender's log keeps what comes after it. The error is ctx's.
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
	f.app.Warn("the application did not take event %s (status %d); going on with the next", e.ID, r.Status)
}

func (f *forwarder) away(e target.Event, r target.Result) {
	f.app.Warn("the application does not answer: %s; event %s and those after it wait for it", output.MaskText(r.Err.Error()), e.ID)
}

func (f *forwarder) back() { f.app.Say("the application takes events again") }
