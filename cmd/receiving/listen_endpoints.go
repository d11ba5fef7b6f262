package receiving

import (
	"path/filepath"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/filter"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/format"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// endpoints returns the endpoints of the command line or, with -f, of the file.
func (l *listening) endpoints(f *listenfile.File) ([]listener.Endpoint, error) {
	if f == nil {
		e, err := l.endpoint(listenfile.Endpoint{Path: l.options.path}, l.secrets)
		if err == nil {
			err = l.options.relay.addTargets(l.app, &e)
		}
		return []listener.Endpoint{e}, err
	}
	described := f.Endpoints
	if len(described) == 0 {
		described = []listenfile.Endpoint{{Path: l.options.path}}
	}
	endpoints := make([]listener.Endpoint, len(described))
	for i, d := range described {
		secrets, err := l.secretsOf(d)
		if err == nil {
			endpoints[i], err = l.endpoint(d, secrets)
		}
		if err != nil {
			return nil, err
		}
		endpoints[i].Targets = []listener.Target{} // not nil: the file has all routes
		for _, r := range f.Routes {
			if r.Endpoint != d.Name {
				continue
			}
			t, err := l.options.relay.routeTarget(l.app, r)
			if err != nil {
				return nil, err
			}
			endpoints[i].Targets = append(endpoints[i].Targets, t)
		}
	}
	return endpoints, nil
}

// secretsOf returns a function that returns the current secrets of an endpoint.
func (l *listening) secretsOf(e listenfile.Endpoint) (func() []webhook.Secret, error) {
	switch {
	case e.SecretFile != "":
		return l.app.WatchSecretFiles(e.SecretFile)
	case !e.Secret.IsZero():
		fixed := []webhook.Secret{e.Secret}
		return func() []webhook.Secret { return fixed }, nil
	}
	return l.secrets, nil
}

// endpoint returns an endpoint without its targets.
func (l *listening) endpoint(d listenfile.Endpoint, secrets func() []webhook.Secret) (listener.Endpoint, error) {
	o := &l.options
	e := listener.Endpoint{Name: d.Name, Receiver: receiver.Options{
		Secrets: secrets, AllowUnchecked: o.allowUnchecked || !o.relay.wanted(), Path: d.Path, MaxBody: o.maxBody,
		Respond: o.respond, Delay: o.delay, FailRate: o.failRate, Remember: l.dedupWindow(),
	}}
	if err := o.relay.addStore(l.app, &e, d.SubjectPrefix); err != nil {
		return e, err
	}
	if o.relay.recover || o.relay.reconcile > 0 {
		e.Recover = l.repairOf(d, secrets).start
	}
	return e, nil
}

// addStore sets where an endpoint stores events. An endpoint with a name has a store of its
// own.
func (o *relayOptions) addStore(a *cli.App, e *listener.Endpoint, prefix string) error {
	if o.store != "" {
		e.Store = &relay.StoreOptions{Dir: o.storeOf(e.Name), Sync: o.sync, MaxBytes: int64(o.maxBytes), Keep: o.keep, Logf: a.Warn}
	}
	if !o.nats.Given() {
		return nil
	}
	dial, err := o.nats.WithPrefix(prefix).Dial(a)
	if err != nil {
		return err
	}
	dial.MaxBytes, dial.Keep, dial.Replicas = int64(o.maxBytes), o.keep, o.replicas
	e.Cluster = &dial
	return nil
}

// storeOf returns the folder of an endpoint's store.
func (o *relayOptions) storeOf(endpoint string) string { return filepath.Join(o.store, endpoint) }

// routeTarget returns the target of a route of the file. Nothing of it is in use until events
// are delivered to it.
func (o *relayOptions) routeTarget(a *cli.App, r listenfile.Route) (listener.Target, error) {
	t := listener.Target{
		Route:    relay.Route{Name: r.Name, From: r.From, WhenFull: r.WhenFull},
		Forward:  relay.ForwardOptions{Concurrency: r.Concurrency, MaxAttempts: r.MaxAttempts, MaxAge: r.MaxAge},
		Settings: r,
	}
	var err error
	if r.ForwardTo == nil {
		t.Target, err = exectarget.New(exectarget.Options{
			Program: r.Exec[0], Args: r.Exec[1:], Env: r.Env, DeadOn: r.DeadOn, Timeout: r.Timeout, Logf: a.Say,
		})
	} else {
		t.Forward.DeadOn = r.DeadOn
		t.Target, err = o.applicationTarget(a, r)
	}
	if err != nil || r.Where == "" {
		return t, err
	}
	where, err := filter.Compile(r.Where)
	if err == nil {
		t.Target = where.Target(t.Target, r.SkipErrors)
	}
	return t, err
}

// applicationTarget returns the target of a route to a URL, without its filter.
func (o *relayOptions) applicationTarget(a *cli.App, r listenfile.Route) (target.Target, error) {
	t, err := o.target.Open(a, httptarget.Options{
		URL: r.ForwardTo, Timeout: r.Timeout, Header: r.Header, Connections: r.Concurrency, Answer: o.keepAnswers,
	})
	switch {
	case err != nil:
		return nil, err
	case r.As == listenfile.CloudEvents:
		return format.CloudEvents(t, format.Source(r.Endpoint)), nil
	case r.As == listenfile.StandardWebhooks:
		return format.StandardWebhooks(t, r.SignWith), nil
	}
	return t, nil
}
