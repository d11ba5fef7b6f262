package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/moment"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// SelectTokens returns the tokens with the given names, ids or prefixes of ids, without
// duplicates. The token with the id inUse comes last, because revoking the others requires
// it. Call it before revoking any of them: the server silently accepts unknown ids.
func SelectTokens(all []mender.PersonalAccessToken, names []string, inUse string) ([]mender.PersonalAccessToken, error) {
	var selected, last []mender.PersonalAccessToken
	for _, name := range names {
		t, err := findToken(all, name)
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(slices.Concat(selected, last), func(s mender.PersonalAccessToken) bool { return s.ID == t.ID }):
		case t.ID == inUse:
			last = append(last, t)
		default:
			selected = append(selected, t)
		}
	}
	return append(selected, last...), nil
}

// findToken returns the token with an id or, if there is none, a name, or else a unique
// prefix of an id.
func findToken(all []mender.PersonalAccessToken, name string) (mender.PersonalAccessToken, error) {
	var named, similar []mender.PersonalAccessToken
	for _, t := range all {
		switch {
		case t.ID == name:
			return t, nil
		case t.Name == name:
			named = append(named, t)
		case len(name) >= output.ShortID && strings.HasPrefix(t.ID, strings.ToLower(name)): // shorter ones are misspelled names
			similar = append(similar, t)
		}
	}
	switch {
	case len(named) > 0:
		return named[0], nil
	case len(similar) == 1:
		return similar[0], nil
	case len(similar) > 1:
		ids := make([]string, len(similar))
		for i, t := range similar {
			ids[i] = t.ID
		}
		return mender.PersonalAccessToken{}, fault.Ambiguous(name, ids)
	}
	return mender.PersonalAccessToken{}, fault.WithHint(fault.New(fault.NotFound, "personal access token %q not found", name),
		"run `mender-webhooks token list` for names and ids")
}

// ParseExpiry returns the lifetime of a token that a text names, or 0 for never. A text that
// the server would refuse is a usage error that names flag.
func ParseExpiry(flag, text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	lasts, err := moment.ParseAge(text)
	switch {
	case err != nil:
		return 0, fault.WithHint(fault.Usagef("invalid %s %q: must be a duration", flag, text), "use a value such as 12h, 90d or never")
	case lasts < time.Second:
		return 0, fault.Usagef("invalid %s %s: must be at least 1s", flag, text)
	case lasts > mender.MaxTokenExpiry:
		return 0, fault.WithHint(fault.Usagef("invalid %s %s: must be at most 365d", flag, text), "use never for a token that does not expire")
	}
	return lasts, nil
}

// CreateToken creates a personal access token, and returns it. An error has a hint for what
// the user can do about it.
func CreateToken(ctx context.Context, client *mender.Client, name string, lasts time.Duration) (string, error) {
	jwt, err := client.CreateToken(ctx, name, lasts)
	var api *mender.Error
	switch {
	case errors.Is(err, mender.ErrOutcomeUnknown):
		return "", fault.WithHint(err, "run `mender-webhooks token list`; if the token exists, revoke it, because it cannot be shown again")
	case errors.Is(err, mender.ErrConflict):
		return "", fault.WithHint(err, "a token with the name %s already exists: use another name, or run `mender-webhooks token revoke %s`", name, name)
	case errors.As(err, &api) && api.StatusCode == http.StatusUnprocessableEntity:
		return "", fault.WithHint(err, "Mender allows ten personal access tokens per user: list them with `mender-webhooks token list`, and revoke one with `mender-webhooks token revoke`")
	}
	return jwt, err
}
