package cli

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/pkg/doctor"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// FindIntegration returns the integration that has the given id, unique prefix of an
// id, or URL. For "", it returns the organization's only webhook, and never an
// integration of another provider.
func (a *App) FindIntegration(ctx context.Context, client *mender.Client, arg string) (mender.Integration, error) {
	all, err := a.Integrations(ctx, client)
	if err != nil {
		return mender.Integration{}, err
	}
	return provision.Pick(all, arg)
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
	i, err := provision.Pick(all, arg)
	if err == nil && i.Provider != mender.ProviderWebhook {
		err = Usagef("integration %s is not a webhook: its provider is %s", i.ID, i.Provider)
	}
	return i, err
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
