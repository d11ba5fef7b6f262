package receiving

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// repair finds the events of an endpoint that Mender logged as failed, or lost.
type repair struct {
	options  *relayOptions
	app      *cli.App // of the endpoint's profile
	endpoint listenfile.Endpoint
	secrets  func() []webhook.Secret
}

func (l *listening) repairOf(e listenfile.Endpoint, secrets func() []webhook.Secret) *repair {
	r := &repair{options: &l.options.relay, app: l.app, endpoint: e, secrets: secrets}
	if e.Profile != "" {
		r.app = l.app.ForProfile(e.Profile)
	}
	return r
}

// say and warn log a message, which names the endpoint if it has a name.
func (r *repair) say(format string, args ...any)  { r.app.Say(r.naming(format), args...) }
func (r *repair) warn(format string, args ...any) { r.app.Warn(r.naming(format), args...) }

func (r *repair) naming(format string) string {
	if r.endpoint.Name == "" {
		return format
	}
	return "endpoint " + r.endpoint.Name + ": " + format // a name has no special characters
}

// startRecovery starts to store, in the background, the events whose deliveries
// failed according to Mender's log. If the log cannot be read, listen continues,
// because receiving new events matters more.
func (r *repair) startRecovery(ctx context.Context, queue *relay.Queue) (done <-chan struct{}, err error) {
	client, _, err := r.app.Connect()
	if err != nil {
		return nil, cli.Hinted(err, "log in, or leave out --recover: only --recover uses the server")
	}
	file, err := r.recoveryFile()
	if err != nil {
		return nil, err
	}
	recovery := &eventlog.Recovery{
		Log: eventlog.New(client), Inbox: listener.Inbox(queue, r.signingSecret), File: file, Clock: r.app.Now,
		Unsaved: func(err error) {
			r.warn("--recover: %v; if the recovery is interrupted, the next start cannot resume it", err)
		},
	}
	if err := recovery.Start(ctx); err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		recovered, err := recovery.Run(ctx)
		switch {
		case err == nil:
			r.sayRecovered(recovered)
		case errors.Is(err, relay.ErrFull):
			r.warn("--recover: %v; increase --max-bytes; the next start continues from here", err)
		case ctx.Err() == nil:
			r.warn("--recover: %v; the next start with --recover continues", err)
		}
	}()
	return finished, nil
}

// recoveryFile returns the path of the file that records where the next recovery
// starts. The file is in the store or, for a cluster, next to the stored secrets.
func (r *repair) recoveryFile() (string, error) {
	o := r.options
	if o.store != "" {
		return filepath.Join(o.storeOf(r.endpoint.Name), "recovery.json"), nil
	}
	set, err := r.app.LocalSettings()
	if err != nil || set.SecretsFile == "" {
		return "", err
	}
	return filepath.Join(filepath.Dir(set.SecretsFile), "recovery-"+o.nats.WithPrefix(r.endpoint.SubjectPrefix).Key()+".json"), nil
}

func (r *repair) sayRecovered(done eventlog.Recovered) {
	since := "the start of the log (at most a week)"
	if !done.Since.IsZero() {
		since = r.app.Time(done.Since) + ", " + done.Now.Sub(done.Since).Round(time.Second).String() + " ago"
	}
	r.say("recovered %d of %s that failed since %s according to Mender's log; the others were already stored",
		done.Stored, cli.Plural(done.Failed, "event"), since)
	r.say("not recovered: deliveries that took longer than 10 seconds, which Mender does not log, and events older than a week")
}

// signingSecret returns the secret to sign rebuilt events with, so that an
// application that checks signatures accepts them. It uses the first secret if
// several are known.
func (r *repair) signingSecret() webhook.Secret {
	if secrets := r.secrets(); len(secrets) > 0 {
		return secrets[0]
	}
	return webhook.Secret{}
}
