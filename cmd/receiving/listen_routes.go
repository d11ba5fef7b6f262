package receiving

import (
	"net/url"
	"regexp"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// forwardRoute is a value of --forward-to.
type forwardRoute struct {
	name string // empty if the value has none
	url  *url.URL
}

// routes parses --forward-to. Several routes require names, because each has a position
// in the store that belongs to its name.
func (o *relayOptions) routes() (routes []forwardRoute, err error) {
	seen := map[string]bool{}
	named := regexp.MustCompile(`^([A-Za-z0-9_-]+)=(.*)$`) // a URL has another character before its first =
	for _, text := range o.forwardTo {
		var r forwardRoute
		if m := named.FindStringSubmatch(text); m != nil {
			r.name, text = m[1], m[2]
			if err := relay.CheckRoute(r.name); err != nil {
				return nil, cli.Usagef("--forward-to: %w", err)
			}
		}
		if r.url, err = cli.ParseURL("--forward-to", text); err != nil {
			return nil, err
		}
		switch {
		case len(o.forwardTo) > 1 && !o.stores():
			return nil, cli.Hinted(cli.Usagef("--forward-to is given %d times without a store: Mender gets the answer of only one application", len(o.forwardTo)),
				"pass --store DIR or --nats URLS to forward to several")
		case len(o.forwardTo) > 1 && r.name == "":
			return nil, cli.Hinted(cli.Usagef("--forward-to %s has no name, and several targets require one", r.url.Host),
				"pass --forward-to NAME=URL; name it %s to continue where the target without a name stopped", relay.DefaultRoute)
		case r.name != "" && !o.stores():
			return nil, cli.Hinted(cli.Usagef("--forward-to %s=…: a name requires --store or --nats", r.name),
				"leave out the name, or pass --store DIR or --nats URLS")
		case seen[r.name]:
			return nil, cli.Usagef("--forward-to: the name %s is given twice", r.name)
		}
		seen[r.name] = true
		routes = append(routes, r)
	}
	return routes, nil
}
