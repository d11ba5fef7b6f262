package activity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type forwardOptions struct{ to, secretFile string }

func (o *forwardOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.to, "forward-to", "", "with --follow: send each event on to a local `URL` or port, rebuilt from the log")
	f.StringVar(&o.secretFile, "forward-secret-file", "", "the `FILE` with the secret that --forward-to signs with; made where there is none")
}

func (o forwardOptions) check() error {
	switch {
	case o.to == "" && o.secretFile != "":
		return cli.Usagef("--forward-secret-file is for --forward-to")
	case o.to != "" && o.secretFile == "":
		return cli.Hinted(cli.Usagef("--forward-to needs a secret to sign with, which is not the webhook's own"),
			"add --forward-secret-file FILE: it is made if it is not there, and your application reads it too")
	}
	return nil
}

// forwarder sends events on. A nil one does nothing.
type forwarder struct {
	url    string
	secret webhook.Secret
	sender *webhook.Sender
	file   string
	made   bool
}

// open finds the secret, or makes one.
func (o forwardOptions) open(a *cli.App) (*forwarder, error) {
	if o.to == "" {
		return nil, nil
	}
	target, err := cli.ParseURL("--forward-to", o.to)
	if err != nil {
		return nil, err
	}
	f := &forwarder{url: target.String(), file: o.secretFile}
	text, err := a.ReadInput(o.secretFile, maxSecretFile)
	if errors.Is(err, fs.ErrNotExist) {
		f.secret, f.made = webhook.GenerateSecret(), true
		err = writeNew(o.secretFile, f.secret.Hex()+"\n")
	} else if err == nil {
		f.secret, err = firstSecret(text)
	}
	if err != nil {
		return nil, cli.Usagef("--forward-secret-file %s: %w", o.secretFile, err)
	}
	f.sender = webhook.NewSender(webhook.SenderOptions{})
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

// writeNew writes a file that was not there, for its owner's eyes alone.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (f *forwarder) close() {
	if f != nil {
		f.sender.Close()
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
		"signed with the secret %s, and marked %s: %s", output.MaskURL(f.url), f.secret.Fingerprint(), cli.HeaderRebuilt, cli.RebuiltFrom)
}

const (
	// forwardTries is how often an event is sent to an application that
	// answers, but not well; one that does not answer is waited for.
	forwardTries   = 3
	forwardMaxWait = 10 * time.Second
)

// send delivers an event, and comes back when that is done: in the meantime
// Mender's log keeps what comes after it. The error is ctx's.
func (f *forwarder) send(ctx context.Context, a *cli.App, e *mender.Event) error {
	if f == nil {
		return nil
	}
	body, err := json.Marshal(e.Event)
	if err != nil {
		return fmt.Errorf("rebuild the event %s: %w", e.ID, err)
	}
	told := false
	wait := 500 * time.Millisecond
	for try := 1; ; try++ {
		req, err := webhook.NewRequest(ctx, f.url, body, f.secret)
		if err != nil {
			return cli.Usagef("--forward-to: %w", err)
		}
		req.Header.Set(cli.HeaderRebuilt, cli.RebuiltFrom)
		d := f.sender.Do(req)
		switch {
		case d.Success():
			if told {
				a.Say("the application takes events again")
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d.StatusCode != 0 && (try >= forwardTries || d.StatusCode < 500 && d.StatusCode != 429):
			a.Warn("the application did not take event %s (status %d); going on with the next", e.ID, d.StatusCode)
			return nil
		case d.StatusCode == 0 && !told:
			told = true
			a.Warn("the application does not answer: %s; event %s and those after it wait for it", output.MaskText(d.Err.Error()), e.ID)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, forwardMaxWait)
	}
}
