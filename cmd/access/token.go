package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// NewTokenCmd returns the token command.
func NewTokenCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token COMMAND",
		Short: "Create, list and revoke personal access tokens",
		Long: `Create, list and revoke the personal access tokens of the logged-in user. Use
them in pipelines: unlike a session, they do not end when the user logs in
elsewhere. Mender allows ten per user, with unique names.`,
		Example: `  mender-webhooks token create ci --expires 90d
  mender-webhooks token list`,
		Args: cli.UnknownCommand,
		RunE: cli.NeedsSubcommand,
	}
	cmd.AddCommand(newTokenCreateCmd(a), newTokenListCmd(a), newTokenRevokeCmd(a))
	return cmd
}

func newTokenListCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List your personal access tokens",
		Long: `List the personal access tokens of the logged-in user, without the tokens
themselves: the server shows each only once, when it is created. LAST USED is
accurate to five minutes.`,
		Example: "  mender-webhooks token list\n  mender-webhooks token list -o name",
		Args:    cli.Args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runTokenList(cmd.Context(), a)
		},
	}
}

func runTokenList(ctx context.Context, a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(ctx)
	if err != nil {
		return err
	}
	if tokens == nil {
		tokens = []mender.PersonalAccessToken{}
	}
	view := output.View{Value: tokens, Table: output.TableView{Columns: []output.Column{
		{Name: "ID", ID: true}, {Name: "NAME", Shrink: true}, {Name: "CREATED"}, {Name: "EXPIRES"}, {Name: "LAST USED"}, {Name: "NOTE"},
	}}}
	at := func(t time.Time) string { return cli.ShortDate(output.Time(t, false), a.TableWidth()) }
	for _, t := range tokens {
		view.Names = append(view.Names, t.ID)
		expires := "never"
		if !t.ExpiresAt.IsZero() {
			expires = at(t.ExpiresAt)
		}
		note := ""
		if t.ID == inUse(set) {
			note = "in use here"
		}
		view.Table.Rows = append(view.Table.Rows, []string{
			t.ID, t.Name, at(t.CreatedAt), expires, at(t.LastUsed), note,
		})
	}
	if len(tokens) == 0 {
		a.Say("no personal access tokens; create one with `mender-webhooks token create`")
	}
	return p.Print(view)
}

// inUse returns the id of the token that this command uses, or "".
func inUse(set *config.Settings) string {
	claims, err := mender.ParseClaims(set.Token.Value)
	if err != nil {
		return ""
	}
	return claims.ID
}

func newTokenRevokeCmd(a *cli.App) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:         "revoke TOKEN...",
		Annotations: cli.PrintsID(),
		Short:       "Revoke personal access tokens",
		Long: `Revoke personal access tokens by name, id, or at least 8 characters of an id.
Programs that use them lose access immediately, and a revoked token cannot be
restored. The command asks for confirmation on a terminal, and otherwise
requires --yes.`,
		Example: "  mender-webhooks token revoke ci --yes",
		Args:    cli.Args(1, -1, "the names or ids of tokens"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTokenRevoke(cmd.Context(), a, args, yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return cmd
}

func runTokenRevoke(ctx context.Context, a *cli.App, names []string, yes bool) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if err := a.CheckConfirm(yes); err != nil {
		return err
	}
	client, set, err := a.Connect()
	if err != nil {
		return err
	}
	selected, err := findTokens(ctx, client, names)
	if err != nil {
		return err
	}
	if !yes {
		for _, t := range selected {
			question := fmt.Sprintf("Revoke token %s (%s) on %s?", t.Name, t.ID, a.Where())
			if t.ID == inUse(set) {
				question = fmt.Sprintf("Revoke token %s (%s) on %s, which you are using right now?", t.Name, t.ID, a.Where())
			}
			if err := a.Confirm(ctx, question); err != nil {
				return err
			}
		}
	}
	// Revoke the token in use last, because revoking the others requires it.
	var done output.View
	revoked := []map[string]string{}
	for _, t := range usedLast(selected, inUse(set)) {
		if err := client.RevokeToken(ctx, t.ID); err != nil {
			return fmt.Errorf("token %s (%d of %d tokens were revoked before it): %w", t.Name, len(revoked), len(selected), err)
		}
		revoked = append(revoked, map[string]string{"id": t.ID, "name": t.Name})
		done.Names = append(done.Names, t.ID)
		a.Say("revoked token %s on %s", t.Name, a.Where())
		if t.ID == inUse(set) {
			forgetRevoked(ctx, a, set)
		}
	}
	done.Value = revoked
	return p.Print(done)
}

func usedLast(tokens []mender.PersonalAccessToken, used string) []mender.PersonalAccessToken {
	var first, last []mender.PersonalAccessToken
	for _, t := range tokens {
		if t.ID == used {
			last = append(last, t)
		} else {
			first = append(first, t)
		}
	}
	return append(first, last...)
}

// forgetRevoked deletes the revoked token from this machine if login saved it.
func forgetRevoked(ctx context.Context, a *cli.App, set *config.Settings) {
	if set.Token.Source != config.SourceStored {
		return
	}
	if err := a.Store(set).Delete(ctx, cli.TokenKey(set)); err != nil && !errors.Is(err, secret.ErrNotFound) {
		a.Warn("the token was revoked, but cannot be deleted from this machine: %v", err)
		return
	}
	a.Say("revoked the saved token for %s; log in again with `mender-webhooks login`", set.Server)
}

// findTokens returns the tokens with the given names, ids or prefixes of ids. Call it before revoking
// any of them, because the server silently accepts unknown ids.
func findTokens(ctx context.Context, client *mender.Client, names []string) ([]mender.PersonalAccessToken, error) {
	all, err := client.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	var found []mender.PersonalAccessToken
	seen := map[string]bool{}
	for _, name := range names {
		i := -1
		var similar []string
		for n, t := range all {
			switch {
			case t.ID == name || (t.Name == name && i < 0):
				i = n
			case len(name) >= output.ShortID && strings.HasPrefix(t.ID, strings.ToLower(name)): // shorter ones are misspelled names
				similar = append(similar, t.ID)
			}
		}
		if i < 0 && len(similar) == 1 {
			i = slices.IndexFunc(all, func(t mender.PersonalAccessToken) bool { return t.ID == similar[0] })
		}
		switch {
		case i < 0 && len(similar) > 1:
			return nil, cli.AmbiguousID(name, similar)
		case i < 0:
			return nil, cli.Hinted(cli.Failf(fault.NotFound, "personal access token %q not found", name), "run `mender-webhooks token list` for names and ids")
		}
		if !seen[all[i].ID] {
			seen[all[i].ID] = true
			found = append(found, all[i])
		}
	}
	return found, nil
}
