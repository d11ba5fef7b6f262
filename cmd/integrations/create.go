// Package integrations implements the commands that show and change the integrations
// of an organization: create, list, inspect, update, delete, apply and export.
package integrations

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

type createOptions struct {
	url         string
	description string
	scopes      []string
	strict      bool
	dryRun      bool
	ephemeral   bool
	ttl         time.Duration
	command     []string
	secret      newSecretFlags
}

// NewCreateCmd returns the create command.
func NewCreateCmd(a *cli.App) *cobra.Command {
	o := createOptions{}
	annotations := cli.PrintsID()
	annotations[cli.TakesCommand] = "yes"
	cmd := &cobra.Command{
		Use:         "create --url URL [--ephemeral -- COMMAND...]",
		Annotations: annotations,
		Short:       "Create a webhook",
		Long: `Create a webhook. Mender's server then sends an event to the URL whenever a
device is provisioned or decommissioned, or changes its status. stdout gets only
the id of the new integration.

An organization can have one integration, of any provider. Without a secret,
deliveries are unsigned and anyone can forge them, so you must pass --no-secret
to leave it out. The secret is stored on this machine, in the system's keyring
or in a file that only you can read, where listen, trigger and verify find it.
Pass --no-store to store nothing.

With --ephemeral, the webhook exists only while a command runs. It is deleted
when the command ends, for whatever reason, and the exit code is the command's.
The command gets the variables MENDER_WEBHOOK_ID, MENDER_WEBHOOK_URL and
MENDER_WEBHOOK_SECRET. Unless you pass a secret, one is generated, and in any
case it is not stored. The webhook's description says when it expires, by the
server's clock. From then on, it counts as left behind by a killed run, and
` + "`mender-webhooks delete --expired`" + ` deletes it. The command may run longer than
--ttl, as long as no other job runs delete --expired meanwhile.`,
		Example: `  mender-webhooks create --url https://example.com/mender --generate-secret
  mender-webhooks create --url https://example.com/ --secret-file hook.secret
  MENDER_WEBHOOK_SECRET=00ff… mender-webhooks create --url https://example.com/
  mender-webhooks create --ephemeral --url https://example.com/ -- ./test.sh`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 && cmd.ArgsLenAtDash() == 0 {
				return nil
			}
			if len(given) == 1 && strings.Contains(given[0], "://") {
				return cli.Hinted(cli.Usagef("create takes the URL as a flag"), "pass it as --url URL")
			}
			if len(given) > 0 && o.ephemeral {
				return cli.Hinted(cli.Usagef("unexpected argument %q", given[0]), "put -- before the command to run")
			}
			return cli.Args(0, 0, "no arguments, only flags")(cmd, given)
		},
		PreRunE: createRules().Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return runCreate(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.url, "url", "", "`URL` to which Mender sends the events")
	o.secret.register(f)
	f.StringVar(&o.description, "description", "", "`TEXT` that describes the webhook, up to 1024 bytes")
	f.StringSliceVar(&o.scopes, "scope", nil, "`SCOPE` of the events: deviceauth or inventory (repeatable; only on Enterprise servers)")
	f.BoolVar(&o.strict, "strict", false, "exit with 1 if the server drops a scope")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	f.BoolVar(&o.ephemeral, "ephemeral", false, "delete the webhook again when the command after -- has ended")
	f.DurationVar(&o.ttl, "ttl", time.Hour, "with --ephemeral: `DURATION` until delete --expired may delete the webhook")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(knownScopes(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func knownScopes() []string { return []string{"deviceauth", "inventory"} }

// createRules returns the rules for the flags of create. COMMAND stands for the
// program after --.
func createRules() cli.Rules {
	rules := newSecretRules()
	rules.Against["ephemeral"] = []string{"description", "secret-out", "show-secret"}
	rules.Needs["ephemeral"] = []string{"COMMAND"}
	rules.Needs["COMMAND"] = []string{"ephemeral"}
	rules.Needs["ttl"] = []string{"ephemeral"}
	return rules
}

func runCreate(ctx context.Context, a *cli.App, o createOptions) error {
	p, err := printer(a, o.dryRun)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.ephemeral {
		return runEphemeral(ctx, a, p, o)
	}
	e, w, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	plan := e.CreatePlan(w)
	if o.dryRun {
		if err := e.CheckRoom(ctx); err != nil {
			return err
		}
		return finishDryRun(a, p, plan)
	}
	done, err := e.one(ctx, plan)
	if done.NewID == "" {
		return err
	}
	a.Say("created webhook %s on %s", done.NewID, a.Where())
	o.secret.report(a, w, done)
	if err != nil {
		err = unkept(err, "the webhook exists; set another secret with `mender-webhooks update --generate-secret`")
		return cli.Also(p.Print(output.View{Value: map[string]string{"id": done.NewID}, Names: []string{done.NewID}}), err)
	}
	if err := finishCreate(ctx, a, p, e.client, o, done.NewID); err != nil {
		return err
	}
	a.Next("run `mender-webhooks listen%s` on the machine behind the URL", o.secret.listenFlags(done))
	return nil
}

// open returns an engine and the webhook that the flags describe. It warns about
// values that are probably mistakes, and sends nothing to Mender.
func (o *createOptions) open(ctx context.Context, a *cli.App) (*engine, provision.Webhook, error) {
	w := provision.Webhook{URL: o.url, Description: o.description, Scopes: o.scopes}
	if _, err := a.Settings(); err != nil {
		return nil, w, err
	}
	a.WarnUnknown("--scope", o.scopes, knownScopes())
	if err := o.secret.resolve(ctx, a, &w); err != nil {
		return nil, w, err
	}
	if w.Secret.IsZero() && !o.secret.none {
		return nil, w, cli.Hinted(cli.Usagef("create requires a secret: without one, anyone can forge deliveries"),
			"pass --generate-secret to generate and store one, or --no-secret to leave deliveries unsigned")
	}
	e, err := newEngine(a, o.secret.noStore, provision.Options{})
	if err == nil {
		a.WarnAboutReceiver(ctx, o.url)
	}
	return e, w, err
}

// check validates the flags.
func (o createOptions) check() error {
	if o.url == "" {
		return cli.Hinted(cli.Usagef("create requires --url URL"), "see `mender-webhooks create --help`")
	}
	if err := cli.CheckURL("--url", o.url); err != nil {
		return err
	}
	if err := provision.CheckDescription(o.description); err != nil {
		return cli.Usagef("invalid --description: %w", err)
	}
	return nil
}

// finishCreate reads the new integration from the server and prints it. It warns
// about scopes that the server does not support, because the server drops them silently.
func finishCreate(ctx context.Context, a *cli.App, p *output.Printer, client *mender.Client, o createOptions, id string) error {
	created, err := client.Integration(ctx, id)
	if err != nil {
		// Print at least the id, because scripts need it to clean up.
		_ = p.Print(output.View{Value: map[string]string{"id": id}, Names: []string{id}})
		return cli.Hinted(err, "the webhook was created with the id %s: run `mender-webhooks inspect %[1]s` to check it", id)
	}
	if err := p.Print(output.View{Value: created, Names: []string{id}}); err != nil {
		return err
	}
	return o.checkScopes(a, created)
}

// checkScopes warns about scopes that the server dropped. With --strict, it returns an
// error.
func (o createOptions) checkScopes(a *cli.App, created mender.Integration) error {
	var dropped []string
	for _, scope := range o.scopes {
		if !slices.Contains(created.Scopes, scope) {
			dropped = append(dropped, scope)
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	a.Warn("the server did not store the scope %s: open source servers have no scopes, and inventory requires the Professional plan or higher", cli.Joined(dropped))
	if o.strict {
		return cli.Failf(fault.Failed, "the webhook was created without the scope %s (--strict)", cli.Joined(dropped))
	}
	return nil
}
