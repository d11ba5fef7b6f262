package receiving

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// lookUpLimit is how long to wait for the server when listen starts.
const lookUpLimit = 3 * time.Second

// sayTarget says where events go, on a terminal.
func (l *listening) sayTarget() {
	o := &l.options.relay
	if !cli.IsTerminal(l.app.Err) {
		return
	}
	routes, _ := o.routes() // checked before
	for _, r := range routes {
		l.app.Say("forwarding events to %s", output.MaskURL(r.url.String()))
	}
	switch {
	case o.exec != "":
		l.app.Say("running %s for each event", o.exec)
	case o.file != "":
		for _, r := range l.file.version().Routes {
			l.app.Say("route %s leads to %s", r, destination(r))
		}
	case len(routes) == 0 && o.stores():
		l.app.Say("events are only stored; pass --forward-to URL to forward them as well")
	}
}

// destination returns where a route leads, for a message.
func destination(r listenfile.Route) string {
	if r.ForwardTo == nil {
		return "the program " + r.Exec[0]
	}
	return output.MaskURL(r.ForwardTo.String())
}

// lookUpWebhook says which webhook the listener is for and whether its URL leads here, on
// a terminal and if logged in. It asks the server in the background.
func (l *listening) lookUpWebhook(ctx context.Context, addrs []net.Addr) {
	if cli.IsTerminal(l.app.Err) && !l.app.Flags.Quiet && !l.file.hasEndpoints() {
		go l.sayWebhook(ctx, l.app.Aside(), addrs)
	}
}

func (l *listening) sayWebhook(ctx context.Context, aside *cli.App, addrs []net.Addr) {
	ctx, cancel := context.WithTimeout(ctx, lookUpLimit)
	defer cancel()
	client, set, err := aside.ConnectOnce()
	if err != nil {
		return // listen needs no server
	}
	all, err := client.Integrations(ctx)
	if err != nil || ctx.Err() != nil {
		return
	}
	where, found := cli.Where(set), false
	for _, i := range all {
		if i.Provider != mender.ProviderWebhook || i.Credentials.HTTP == nil {
			continue
		}
		found = true
		u, err := url.Parse(i.Credentials.HTTP.URL)
		if err != nil {
			continue // Mender cannot use it either; doctor reports it
		}
		id, to := cli.Shorten(i.ID), cli.Target(i)
		switch listener.ReachOf(set.Server, u, addrs, l.options.path) {
		case listener.ReachesHere:
			l.app.Say("webhook %s on %s sends events here", id, where)
		case listener.ReachesElsewhere:
			l.app.Warn("webhook %s on %s sends events to %s, not here", id, where, to)
			l.app.Next("change that with `mender-webhooks update --url URL`")
		case listener.ReachUnknown:
			l.app.Say("webhook %s on %s sends events to %s, which must lead here", id, where, to)
		}
	}
	if !found {
		l.app.Next("there is no webhook on %s: create one with `mender-webhooks create --url URL`", where)
	}
}
