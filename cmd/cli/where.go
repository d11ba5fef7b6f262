package cli

import (
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Where returns the server that a command changes, for prompts and results, and the
// profile if its settings come from one: "eu.hosted.mender.io (profile eu)".
func Where(set *config.Settings) string {
	text := output.MaskURL(strings.TrimPrefix(set.Server, "https://"))
	fromProfile := set.Token.Source == config.SourceStored || slices.ContainsFunc(set.Values(), func(v config.Value) bool {
		switch v.Key {
		case "server", "token", "token-file":
			return v.Source == config.SourceProfile
		}
		return v.Key == "profile" && v.Source != config.SourceDefault
	})
	if fromProfile {
		text += " (profile " + set.Profile + ")"
	}
	return text
}

// Where is like the function Where, for the settings in use. Call it after Connect.
func (a *App) Where() string { return Where(a.cached) }
