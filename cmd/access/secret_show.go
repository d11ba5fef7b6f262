package access

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

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
