package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// defaultExpiry is long enough for a pipeline's token to be changed four
// times a year, and not forever.
const defaultExpiry = "90d"

func newTokenCreateCmd(a *cli.App) *cobra.Command {
	expires := ""
	cmd := &cobra.Command{
		Use:         "create NAME",
		Annotations: cli.PrintsID(),
		Short:       "Create a personal access token for a pipeline",
		Long: `Make a personal access token and print it, alone, on stdout, so that it can be
piped into a store of secrets. Nobody can show it again later. It may do what
the user may who is logged in.`,
		Example: `  mender-webhooks token create ci --expires 90d | gh secret set MENDER_SERVER_ACCESS_TOKEN
  mender-webhooks token create ci --expires 365d -o json`,
		Args: cli.Args(1, 1, "the token's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTokenCreate(cmd.Context(), a, args[0], expires)
		},
	}
	cmd.Flags().StringVar(&expires, "expires", defaultExpiry, "how long it holds, a `DURATION` such as 12h or 90d; a year (365d) at most, or never")
	return cmd
}

// createdToken is the object of -o json.
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
	lasts, err := parseExpiry(expires)
	if err != nil {
		return err
	}
	if name == "" {
		return cli.Usagef("the token's name is empty")
	}
	client, err := a.Connect()
	if err != nil {
		return err
	}
	jwt, err := client.CreateToken(ctx, name, lasts)
	if err != nil {
		return explainTokenRefusal(err, name)
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
		// Not a reader that has what it wanted: the token is lost.
		return cli.Hinted(cli.Failf(cli.ExitFailed, "the token was made, but could not be printed: %v", err),
			"nobody can show it again: `mender-webhooks token revoke %s --yes`, then make another", name)
	}
	a.Say("made the personal access token %s; %s", name, until)
	return nil
}

// parseExpiry reads what --expires says, within the server's limit.
func parseExpiry(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	lasts, err := cli.ParseAge(text)
	switch {
	case err != nil:
		return 0, cli.Hinted(cli.Usagef("--expires: %q is no length of time", text), "write 12h, 90d or never")
	case lasts < time.Second:
		return 0, cli.Usagef("--expires %s: a second is the least", text)
	case lasts > mender.MaxTokenExpiry:
		return 0, cli.Hinted(cli.Usagef("--expires %s: Mender's tokens hold a year at most", text), "365d is the most; or never")
	}
	return lasts, nil
}

// explainTokenRefusal tells the server's limits where the server is terse.
func explainTokenRefusal(err error, name string) error {
	var api *mender.Error
	switch {
	case errors.Is(err, mender.ErrOutcomeUnknown):
		return cli.Hinted(err, "look with `mender-webhooks token list`; a token that nobody has seen can only be revoked")
	case errors.Is(err, mender.ErrConflict):
		return cli.Hinted(err, "each of a user's tokens has a name of its own, and %s is taken: choose another, or `mender-webhooks token revoke %s`", name, name)
	case errors.As(err, &api) && api.StatusCode == http.StatusUnprocessableEntity:
		return cli.Hinted(err, "Mender keeps ten personal access tokens of a user: `mender-webhooks token list` shows which ones, and `token revoke` makes room")
	}
	return err
}
