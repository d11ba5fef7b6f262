package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// FindIntegration finds what a user means by an id, an unambiguous prefix of
// one, or a URL. No argument means the organization's only webhook, never an
// integration of another provider.
func (a *App) FindIntegration(ctx context.Context, client *mender.Client, arg string) (mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return mender.Integration{}, err
	}
	return PickIntegration(all, arg)
}

// FindWebhook is FindIntegration for commands that work with webhooks only.
func (a *App) FindWebhook(ctx context.Context, client *mender.Client, arg string) (mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return mender.Integration{}, err
	}
	if arg == "" && len(all) == 1 && all[0].Provider != mender.ProviderWebhook {
		return mender.Integration{}, Hinted(Failf(ExitNotFound, "there is no webhook: the organization's integration is of provider %s", all[0].Provider),
			"a webhook can take its place only after `mender-webhooks delete %s`", all[0].ID)
	}
	i, err := PickIntegration(all, arg)
	if err == nil && i.Provider != mender.ProviderWebhook {
		err = Usagef("integration %s is of provider %s, not a webhook", i.ID, i.Provider)
	}
	return i, err
}

// PickIntegration is findIntegration in a list.
func PickIntegration(all []mender.Integration, arg string) (mender.Integration, error) {
	var found []mender.Integration
	for _, i := range all {
		switch {
		case arg != "" && (i.ID == arg || (i.Credentials.HTTP != nil && i.Credentials.HTTP.URL == arg)):
			return i, nil
		case arg == "" && i.Provider == mender.ProviderWebhook,
			arg != "" && strings.HasPrefix(i.ID, strings.ToLower(arg)):
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && arg == "":
		return mender.Integration{}, Hinted(Usagef("there are %d webhooks; say which one", len(found)), "`mender-webhooks list` shows their ids")
	case len(found) > 1:
		return mender.Integration{}, Hinted(Usagef("%q is the beginning of %d ids", arg, len(found)), "give more of it: %s", idsOf(found))
	}
	return mender.Integration{}, notFound(arg, all)
}

func notFound(arg string, all []mender.Integration) error {
	what := "there is no webhook"
	if arg != "" {
		what = fmt.Sprintf("there is no integration %q", arg)
	}
	switch {
	case len(all) == 0:
		return Hinted(Failf(ExitNotFound, "%s: the organization has no integrations", what), "`mender-webhooks create` sets up a webhook")
	case arg == "":
		return Hinted(Failf(ExitNotFound, "%s: the organization's integration is of provider %s", what, all[0].Provider),
			"give its id to mean it all the same: %s", all[0].ID)
	}
	return Hinted(Failf(ExitNotFound, "%s", what), "`mender-webhooks list` shows what is there")
}

func idsOf(integrations []mender.Integration) string {
	ids := make([]string, len(integrations))
	for n, i := range integrations {
		ids[n] = i.ID
	}
	return strings.Join(ids, ", ")
}

// FirstOf returns the first argument, or "".
func FirstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// WarnAboutReceiver says what Mender's server will probably not like about a
// URL, as far as it can be known from here. A name that can't be resolved
// here may well be known there.
func (a *App) WarnAboutReceiver(ctx context.Context, text string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	if u.Scheme == "http" {
		a.Warn("the URL is http: events, and a password in the URL, cross the network in clear")
	}
	if u.User != nil {
		a.Warn("the URL holds a user name or a password: Mender shows it in clear to everyone who may list the integrations")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return
	}
	for _, address := range addresses {
		if address = address.Unmap(); Reserved(address) {
			what := address.String()
			if what != u.Hostname() {
				what = u.Hostname() + " is " + what + " here, which"
			}
			a.Warn("%s is an address that Mender refuses, unless a server of your own was told not to: the receiver needs a public one", what)
			return
		}
	}
}

// Reserved reports whether Mender refuses the address: it wants public
// unicast ones.
func Reserved(a netip.Addr) bool {
	return !a.IsGlobalUnicast() || a.IsPrivate()
}
