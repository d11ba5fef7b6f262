package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// Remember saves the server, certificate authority, email and organization in the profile,
// for later commands. It does not save values from the environment, and does not change a
// server that the profile already has. The warnings say what later commands need as flags.
func Remember(ctx context.Context, set *config.Settings, email, token string) (warnings []string) {
	file := config.NewFile(set.ConfigFile)
	save := func(key, value string) {
		if err := file.Set(ctx, set.Profile, key, value); err != nil {
			warnings = append(warnings, fmt.Sprintf("cannot save %[2]s in profile %[1]s, so pass it to later commands: %[3]v", set.Profile, key, err))
		}
	}
	for _, v := range set.Values() {
		if v.Source != config.SourceFlag || (v.Key != "server" && v.Key != "ca-cert") {
			continue
		}
		if v.Key == "ca-cert" {
			if path, err := filepath.Abs(v.Text); err == nil {
				v.Text = path
			}
		}
		has, err := file.Get(set.Profile, v.Key)
		switch {
		case errors.Is(err, config.ErrNotSet):
			save(v.Key, v.Text)
		case err == nil && has != v.Text && v.Key == "server":
			warnings = append(warnings, fmt.Sprintf("profile %s keeps its server %s: pass --server %s to later commands, or log in again with --profile NAME to use a separate profile",
				set.Profile, has, v.Text))
		}
	}
	// The email also creates the profile, so that --profile can select it later. The
	// organization selects the webhook secrets when there is no token.
	claims, _ := mender.ParseClaims(token) // a token without claims names no organization
	for _, v := range []config.Value{{Key: "username", Text: email}, {Key: "organization", Text: claims.Tenant}} {
		if has, err := file.Get(set.Profile, v.Key); v.Text != "" && (err != nil || has != v.Text) {
			save(v.Key, v.Text)
		}
	}
	return warnings
}
