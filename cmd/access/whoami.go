package access

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// identity is the object that whoami -o json prints.
type identity struct {
	User         mender.User  `json:"user"`
	Server       string       `json:"server"`
	Profile      string       `json:"profile"`
	Organization string       `json:"organization,omitempty"`
	Plan         string       `json:"plan,omitempty"`
	Token        tokenSummary `json:"token"`
}

type tokenSummary struct {
	Source    config.Source `json:"source"`
	From      string        `json:"from"`
	IssuedAt  time.Time     `json:"issued_at,omitzero"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"`
}

// NewWhoamiCmd returns the whoami command.
func NewWhoamiCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "whoami",
		Annotations: cli.PrintsResult(),
		Short:       "Show the user, the server and when the token expires",
		Long: `Ask the server which user the token belongs to. Show the user, the organization,
the origin of the token and when it expires. Roles and plans exist only in
Mender Enterprise.`,
		Example: "  mender-webhooks whoami\n  mender-webhooks whoami --jq .user.email\n  mender-webhooks whoami --all-profiles",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			return a.PrintEach(cmd.Context(), p, output.MergeSections, whoami)
		},
	}
	a.AddAllProfiles(cmd.Flags(), "do this for")
	return cmd
}

func whoami(ctx context.Context, a *cli.App) (cli.Shown, error) {
	client, set, err := a.Connect()
	if err != nil {
		return cli.Shown{}, err
	}
	me, err := client.Me(ctx)
	if err != nil {
		return cli.Shown{}, err
	}
	id := identity{User: me, Server: set.Server, Profile: set.Profile,
		Token: tokenSummary{Source: set.Token.Source, From: set.Token.From}}
	if claims, err := mender.ParseClaims(set.Token.Value); err == nil {
		id.Organization, id.Plan = claims.Tenant, claims.Plan
		id.Token.IssuedAt, id.Token.ExpiresAt = claims.IssuedAt, claims.ExpiresAt
	}
	// The plan from the server takes precedence over the one in the token, which
	// may be out of date. Open source servers have no plans.
	if plan, err := client.Plan(ctx); err == nil && plan.Name != "" {
		id.Plan = plan.Name
	}
	return cli.Shown{View: output.View{Value: id, Names: []string{me.Email}, Fields: cli.Details([][2]string{
		{"User", me.Email},
		{"User ID", me.ID},
		{"Server", set.Server},
		{"Organization", id.Organization},
		{"Plan", id.Plan},
		{"Roles", strings.Join(me.Roles, ", ")},
		{"Profile", set.Profile},
		{"Token", "from " + set.Token.From},
		{"Expires", expiryText(a, id.Token.ExpiresAt)},
	})}}, nil
}

// expiryText returns when a token expires, and the time until then.
func expiryText(a *cli.App, at time.Time) string {
	left := at.Sub(a.Now())
	switch {
	case at.IsZero():
		return "never"
	case left < 0:
		return output.Time(at, false) + " (in the past, by this machine's clock)"
	}
	return output.Time(at, false) + ", in " + output.Duration(left)
}
