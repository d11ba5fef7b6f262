package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// NewSecretCmd returns the secret command.
func NewSecretCmd(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret COMMAND",
		Short: "Manage webhook secrets stored on this machine",
		Long: `Show, set and delete the webhook secrets that are stored on this machine, in the
system's keyring or in a private file. create and update store secrets; listen,
trigger and verify use them. Mender never returns a secret: if the only copy is
deleted, you have to set a new one. These commands do not change the server; use
` + "`update`" + ` for that.`,
		Example: `  mender-webhooks secret list
  mender-webhooks secret show`,
		Args: cli.UnknownCommand,
		RunE: cli.NeedsSubcommand,
	}
	cmd.AddCommand(newSecretListCmd(a), newSecretShowCmd(a), newSecretSetCmd(a), newSecretForgetCmd(a))
	return cmd
}

func newSecretListCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List stored secrets without their values",
		Long:        "List the webhooks with a secret stored on this machine, without the secrets.",
		Example:     "  mender-webhooks secret list",
		Args:        cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return runSecretList(a)
		},
	}
}

func runSecretList(a *cli.App) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	infos := []secret.Info{}
	if set.SecretsFile != "" {
		if infos, err = a.Store(set).List(secret.Webhook); err != nil {
			return err
		}
	}
	view := output.View{Value: infos, Table: output.TableView{Columns: []output.Column{
		{Name: "WEBHOOK", ID: true}, {Name: "SERVER", Shrink: true}, {Name: "SINCE"}, {Name: "ORIGIN"}, {Name: "STORED IN"},
	}}}
	owned := slices.ContainsFunc(infos, func(i secret.Info) bool { return i.Organization != "" })
	if owned {
		view.Table.Columns = append(view.Table.Columns, output.Column{Name: "ORGANIZATION", ID: true})
	}
	for _, i := range infos {
		view.Names = append(view.Names, i.Name)
		row := []string{i.Name, i.Server, cli.ShortDate(output.Time(i.Stored, false), a.TableWidth()), string(i.Origin), string(i.Place)}
		if owned {
			row = append(row, i.Organization)
		}
		view.Table.Rows = append(view.Table.Rows, row)
	}
	if len(infos) == 0 {
		a.Say("no webhook secrets are stored on this machine")
	}
	return p.Print(view)
}

func newSecretShowCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "show [ID]",
		Annotations: cli.PrintsID(),
		Short:       "Print a stored webhook secret",
		Long: `Print the stored secret of a webhook in hexadecimal digits, for example to pipe
it to the receiver's machine. Without an ID, print the only secret that is
stored for the server. This sends no request.`,
		Example: `  mender-webhooks secret show | ssh receiver 'umask 077; cat > hook.secret'
  mender-webhooks secret show 3bb0e41e`,
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: completeStored(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSecretShow(cmd.Context(), a, cli.FirstOf(args))
		},
	}
}

// shownSecret is the object that secret show -o json prints.
type shownSecret struct {
	Server      string        `json:"server"`
	ID          string        `json:"id"`
	Secret      string        `json:"secret"`
	Old         []string      `json:"old,omitempty"`
	Fingerprint string        `json:"fingerprint"`
	Origin      secret.Origin `json:"origin,omitempty"`
	Stored      time.Time     `json:"stored"`
	Place       secret.Place  `json:"place"`
}

func runSecretShow(ctx context.Context, a *cli.App, arg string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	set, err := a.LocalSettings()
	if err != nil {
		return err
	}
	info, err := findStored(a, set, arg)
	if err != nil {
		return err
	}
	e, err := a.Store(set).Get(ctx, info.Key)
	if err != nil {
		return err
	}
	secrets, err := e.Secrets()
	if err != nil {
		return err
	}
	a.Say("the secret of webhook %s on %s (fingerprint %s)", e.Name, e.Server, secrets[0].Fingerprint())
	return p.Print(output.View{Names: []string{e.Value}, Value: shownSecret{
		Server: e.Server, ID: e.Name, Secret: e.Value, Old: e.Old, Fingerprint: secrets[0].Fingerprint(),
		Origin: e.Origin, Stored: e.Stored, Place: e.Place,
	}})
}

// findStored returns the stored secret of the webhook with an id or a prefix of one. For
// "", it returns the only secret that is stored for the server.
func findStored(a *cli.App, set *config.Settings, arg string) (secret.Info, error) {
	_, here, err := a.Stored(set)
	if err != nil {
		return secret.Info{}, err
	}
	var found []secret.Info
	for _, info := range here {
		if info.Name == arg {
			return info, nil
		}
		if strings.HasPrefix(info.Name, strings.ToLower(arg)) {
			found = append(found, info)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return secret.Info{}, cli.AmbiguousID(arg, namesOf(found))
	case arg == "":
		return secret.Info{}, cli.Hinted(cli.Failf(fault.NotFound, "no webhook secret is stored for %s", set.Server),
			"run `mender-webhooks secret list` for the secrets of all servers; select a server with --server or --profile")
	}
	return secret.Info{}, cli.Hinted(cli.Failf(fault.NotFound, "no secret is stored for %q on %s", arg, set.Server), "run `mender-webhooks secret list` for the stored secrets")
}

func namesOf(infos []secret.Info) []string {
	names := make([]string, len(infos))
	for n, i := range infos {
		names[n] = i.Name
	}
	return names
}

// completeStored completes the ids of webhooks whose secret is stored.
func completeStored(a *cli.App) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if set, err := a.LocalSettings(); err == nil {
			_, here, _ := a.Stored(set) // no completion if the store cannot be read
			for _, info := range here {
				names = append(names, cobra.CompletionWithDesc(info.Name, info.Server))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
