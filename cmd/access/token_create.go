package access

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/session"
)

// defaultExpiry suits pipelines: users replace the token four times a year.
const defaultExpiry = "90d"

func newTokenCreateCmd(a *cli.App) *cobra.Command {
	expires := ""
	cmd := &cobra.Command{
		Use:         "create NAME",
		Annotations: cli.PrintsID(),
		Short:       "Create a personal access token for a pipeline",
		Long: `Create a personal access token and print it to stdout, for example to pipe it
into a secret store. It cannot be shown again. It has the permissions of the
logged-in user.`,
		Example: `  mender-webhooks token create ci --expires 90d | gh secret set MENDER_SERVER_ACCESS_TOKEN
  mender-webhooks token create ci --expires 365d -o json`,
		Args: cli.Args(1, 1, "the token's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTokenCreate(cmd.Context(), a, args[0], expires)
		},
	}
	cmd.Flags().StringVar(&expires, "expires", defaultExpiry, "`DURATION` until the token expires, such as 12h or 90d, at most 365d; or never")
	return cmd
}

// createdToken is the object that token create -o json prints.
type createdToken struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func runTokenCreate(ctx context.Context, a *cli.App, name, expires string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	lasts, err := session.ParseExpiry("--expires", expires)
	if err != nil {
		return err
	}
	if name == "" {
		return cli.Usagef("invalid token name: must not be empty")
	}
	client, _, err := a.Connect()
	if err != nil {
		return err
	}
	jwt, err := session.CreateToken(ctx, client, name, lasts)
	if err != nil {
		return err
	}
	created := createdToken{Name: name, Token: jwt}
	until := "it never expires"
	if claims, err := mender.ParseClaims(jwt); err == nil {
		created.ID, created.ExpiresAt = claims.ID, claims.ExpiresAt
		if !claims.ExpiresAt.IsZero() {
			until = "it expires on " + output.Time(claims.ExpiresAt, false)
		}
	}
	if err := p.Print(output.View{Value: created, Names: []string{jwt}}); err != nil {
		// Unlike for other results, a closed stdout is a failure, because the token is lost.
		return cli.Hinted(cli.Failf(fault.Failed, "the token was created, but cannot be printed: %v", err),
			"it cannot be shown again: run `mender-webhooks token revoke %s --yes` and create another", name)
	}
	a.Say("created the personal access token %s on %s; %s", name, a.Where(), until)
	return nil
}
