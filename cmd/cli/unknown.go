package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// WarnUnknown says of words that Mender is not known to use them, since with a
// slip of the finger one looks for what never comes. They are taken all the
// same: Mender may have learnt new ones.
func (a *App) WarnUnknown(flag string, given, known []string) {
	for _, word := range given {
		if slices.Contains(known, word) {
			continue
		}
		next := "known are " + strings.Join(known, ", ")
		if similar := suggest.Name(word, known); similar != "" {
			next = "did you mean " + similar + "?"
		}
		a.Warn("%s: Mender is not known to use %q; %s", flag, word, next)
	}
}

// IntegrationID makes an id of what may also be the beginning of one, or a
// URL. A whole id is taken as it is: it may be of an integration that is gone.
func (a *App) IntegrationID(ctx context.Context, client *mender.Client, given string) (string, error) {
	if given == "" || uuid.Validate(given) == nil {
		return given, nil
	}
	i, err := a.FindIntegration(ctx, client, given)
	return i.ID, err
}
