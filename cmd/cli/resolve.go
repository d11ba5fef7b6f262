package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/doctor"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// FindIntegration returns the integration that has the given id, unique prefix of an
// id, or URL. For "", it returns the organization's only webhook, and never an
// integration of another provider.
func (a *App) FindIntegration(ctx context.Context, client *mender.Client, arg string) (mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return mender.Integration{}, err
	}
	return PickIntegration(all, arg)
}

// FindWebhook is like FindIntegration, for commands that work only with webhooks.
func (a *App) FindWebhook(ctx context.Context, client *mender.Client, arg string) (mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return mender.Integration{}, err
	}
	if arg == "" && len(all) == 1 && all[0].Provider != mender.ProviderWebhook {
		return mender.Integration{}, Hinted(Failf(fault.NotFound, "there is no webhook: the organization's integration has provider %s", all[0].Provider),
			"run `mender-webhooks delete %s` to make room for a webhook", all[0].ID)
	}
	i, err := PickIntegration(all, arg)
	if err == nil && i.Provider != mender.ProviderWebhook {
		err = Usagef("integration %s is not a webhook: its provider is %s", i.ID, i.Provider)
	}
	return i, err
}

// PickIntegration is like FindIntegration, but searches a list.
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
		return mender.Integration{}, Hinted(Usagef("there are %d webhooks: an id is required", len(found)), "run `mender-webhooks list` to see the ids")
	case len(found) > 1:
		return mender.Integration{}, AmbiguousID(arg, idsOf(found))
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
		return Hinted(Failf(fault.NotFound, "%s: the organization has no integrations", what), "run `mender-webhooks create` to create a webhook")
	case arg == "":
		return Hinted(Failf(fault.NotFound, "%s: the organization's integration has provider %s", what, all[0].Provider),
			"pass its id to use it anyway: %s", all[0].ID)
	}
	return Hinted(Failf(fault.NotFound, "%s", what), "run `mender-webhooks list` to see the integrations")
}

func idsOf(integrations []mender.Integration) []string {
	ids := make([]string, len(integrations))
	for n, i := range integrations {
		ids[n] = i.ID
	}
	return ids
}

// AmbiguousID returns a usage error that lists the ids that begin with a prefix.
func AmbiguousID(prefix string, ids []string) error {
	return Hinted(Usagef("%q is a prefix of %d ids", prefix, len(ids)), "pass a longer prefix of %s", strings.Join(ids, ", "))
}

// FirstOf returns the first argument, or "".
func FirstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// WarnAboutReceiver warns about reasons why Mender's server will probably not
// accept a webhook's URL.
func (a *App) WarnAboutReceiver(ctx context.Context, text string) {
	for _, warning := range doctor.ReceiverWarnings(ctx, text) {
		a.Warn("%s", warning)
	}
}
