package session

import (
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
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
