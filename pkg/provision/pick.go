package provision

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// Pick returns the integration that has the given id, unique prefix of an id, or URL. For "",
// it returns the only webhook, and never an integration of another provider.
func Pick(all []mender.Integration, arg string) (mender.Integration, error) {
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
		return mender.Integration{}, fault.WithHint(fault.Usagef("there are %d webhooks: an id is required", len(found)), "run `mender-webhooks list` to see the ids")
	case len(found) > 1:
		return mender.Integration{}, fault.Ambiguous(arg, idsOf(found))
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
		return fault.WithHint(fault.New(fault.NotFound, "%s: the organization has no integrations", what), "run `mender-webhooks create` to create a webhook")
	case arg == "":
		return fault.WithHint(fault.New(fault.NotFound, "%s: the organization's integration has provider %s", what, all[0].Provider),
			"pass its id to use it anyway: %s", all[0].ID)
	}
	return fault.WithHint(fault.New(fault.NotFound, "%s", what), "run `mender-webhooks list` to see the integrations")
}

func idsOf(integrations []mender.Integration) []string {
	ids := make([]string, len(integrations))
	for n, i := range integrations {
		ids[n] = i.ID
	}
	return ids
}
