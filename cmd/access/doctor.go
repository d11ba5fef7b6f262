package access

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/doctor"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// NewDoctorCmd returns the doctor command.
func NewDoctorCmd(a *cli.App) *cobra.Command {
	probe := false
	cmd := &cobra.Command{
		Use:         "doctor [ID]",
		Annotations: cli.PrintsResult(),
		Short:       "Diagnose problems between this machine and a webhook",
		Long: `Check the settings, the server's name, certificate and clock, the token and its
permissions, the integration with its secret and URL, the receiver, and the
last deliveries. Each line shows a mark, the finding and the next step: ✓ is
fine, ! needs attention, ✗ must be fixed, - was not checked, and ? cannot be
checked from this machine. Nothing is changed.

The receiver gets a HEAD request from this machine. With --probe it also gets a
signed test event: the status "noauth" of the device with the id
00000000-0000-0000-0000-000000000000.

The exit code depends on the first ✗: 2 for the settings, 3 for a missing
webhook, 4 for the token, 5 for an integration of another provider, 6 for the
server, 1 for the receiver. It is 0 if there is no ✗.`,
		Example:           "  mender-webhooks doctor\n  mender-webhooks doctor --probe\n  mender-webhooks doctor --jq '.[] | select(.status == \"failed\")'",
		Args:              cli.Args(0, 1, "at most one id"),
		ValidArgsFunction: a.CompleteIntegrations,
		PreRunE:           cli.Rules{Against: map[string][]string{"all-profiles": {"ID"}}}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			return a.PrintEach(cmd.Context(), p, output.MergeSections, func(ctx context.Context, a *cli.App) (cli.Shown, error) {
				return examine(ctx, a, cli.FirstOf(args), probe)
			})
		},
	}
	a.AddAllProfiles(cmd.Flags(), "do this for")
	cmd.Flags().BoolVar(&probe, "probe", false, "send a signed test event to the webhook's URL")
	return cmd
}

// examine returns the findings, and a *cli.SilentError if a check failed.
func examine(ctx context.Context, a *cli.App, id string, probe bool) (cli.Shown, error) {
	var findings []doctor.Finding
	if set, err := a.Settings(); err != nil {
		findings = doctor.InvalidSettings(err)
	} else {
		options := doctorOptions(a, set, id)
		options.Probe = probe
		findings = doctor.Examine(ctx, options)
	}
	if ctx.Err() != nil {
		return cli.Shown{}, ctx.Err()
	}
	count := map[doctor.Status]int{}
	for _, f := range findings {
		count[f.Status]++
	}
	shown := cli.Shown{View: findingsView(a, findings),
		Note: cli.Plural(count[doctor.Failed], "failure") + ", " + cli.Plural(count[doctor.Warning], "warning")}
	if kind := doctor.FirstFailure(findings); kind != fault.Unspecified {
		return shown, &cli.SilentError{Kind: kind}
	}
	return shown, nil
}

func doctorOptions(a *cli.App, set *config.Settings, id string) doctor.Options {
	from := "the default"
	for _, v := range set.Values() {
		if v.Key == "server" && v.From != "" {
			from = v.From
		}
	}
	renew := cli.Renewal(set.Token)
	if a.Profile() == "" {
		renew += "; in a pipeline, set " + config.EnvToken
	}
	return doctor.Options{
		Client:     a.ClientOptions(set),
		Settings:   fmt.Sprintf("server %s (from %s), profile %s, %s", set.Server, from, set.Profile, set.Token),
		TokenFrom:  set.Token.From,
		RenewToken: renew,
		Pick:       func(all []mender.Integration) (mender.Integration, error) { return provision.Pick(all, id) },
		Secret: func(ctx context.Context, integrationID string) (webhook.Secret, string, error) {
			return secretOf(ctx, a, set, integrationID)
		},
		Hint: func(err error) string { return a.Describe(err).Hint },
		Now:  a.Now,
	}
}

// secretOf returns the integration's secret from the environment or else the store.
func secretOf(ctx context.Context, a *cli.App, set *config.Settings, integrationID string) (webhook.Secret, string, error) {
	if a.Profile() == "" { // the variable has the secret of one webhook
		given, err := config.ResolveSecret(config.Input{LookupEnv: a.Env})
		if err != nil || !given.Secret.IsZero() {
			return given.Secret, given.From, err
		}
	}
	account, err := a.Account(set)
	if err != nil {
		return webhook.Secret{}, "", err
	}
	stored, err := account.Stored(ctx, integrationID)
	return stored, "stored on this machine", err
}
