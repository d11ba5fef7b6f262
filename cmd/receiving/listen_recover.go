package receiving

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// startRecovery starts to store, in the background, the events whose deliveries
// failed according to Mender's log. If the log cannot be read, listen continues,
// because receiving new events matters more.
func (l *listening) startRecovery(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error) {
	client, _, err := l.app.Connect()
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --recover: only --recover uses the server")
	}
	file, err := l.recoveryFile()
	if err != nil {
		return nil, err
	}
	r := &eventlog.Recovery{
		Log: eventlog.New(client), Inbox: listener.Inbox(queue, l.signingSecret), File: file, Clock: l.app.Now,
		Unsaved: func(err error) {
			l.app.Warn("--recover: %v; if the recovery is interrupted, the next start cannot resume it", err)
		},
	}
	if err := r.Start(ctx); err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		recovered, err := r.Run(ctx)
		switch {
		case err == nil:
			l.sayRecovered(recovered)
		case errors.Is(err, relay.ErrFull):
			l.app.Warn("--recover: %v; increase --max-bytes; the next start continues from here", err)
		case ctx.Err() == nil:
			l.app.Warn("--recover: %v; the next start with --recover continues", err)
		}
	}()
	return finished, nil
}

// recoveryFile returns the path of the file that records where the next recovery
// starts. The file is in the store or, for a cluster, next to the stored secrets.
func (l *listening) recoveryFile() (string, error) {
	o := &l.options.relay
	if o.store != "" {
		return filepath.Join(o.store, "recovery.json"), nil
	}
	set, err := l.app.LocalSettings()
	if err != nil || set.SecretsFile == "" {
		return "", err
	}
	return filepath.Join(filepath.Dir(set.SecretsFile), "recovery-"+o.nats.Key()+".json"), nil
}

func (l *listening) sayRecovered(r eventlog.Recovered) {
	since := "the start of the log (at most a week)"
	if !r.Since.IsZero() {
		since = l.app.Time(r.Since) + ", " + r.Now.Sub(r.Since).Round(time.Second).String() + " ago"
	}
	l.app.Say("recovered %d of %s that failed since %s according to Mender's log; the others were already stored",
		r.Stored, cli.Plural(r.Failed, "event"), since)
	l.app.Say("not recovered: deliveries that took longer than 10 seconds, which Mender does not log, and events older than a week")
}

// signingSecret returns the secret to sign rebuilt events with, so that an
// application that checks signatures accepts them. It uses the first secret if
// several are known.
func (l *listening) signingSecret() webhook.Secret {
	if secrets := l.secrets(); len(secrets) > 0 {
		return secrets[0]
	}
	return webhook.Secret{}
}
