// Package integrations implements the commands that show and change the integrations
// of an organization: create, list, inspect, update, delete, apply and export.
package integrations

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// maxDescription is Mender's limit for a description, in bytes.
const maxDescription = 1024

type createOptions struct {
	url         string
	description string
	scopes      []string
	strict      bool
	dryRun      bool
	secret      newSecretFlags
}

// NewCreateCmd returns the create command.
func NewCreateCmd(a *cli.App) *cobra.Command {
	o := createOptions{}
	cmd := &cobra.Command{
		Use:         "create --url URL",
		Annotations: cli.PrintsID(),
		Short:       "Create a webhook",
		Long: `Create a webhook. Mender's server then sends an event to the URL whenever a
device is provisioned or decommissioned, or changes its status. stdout gets only
the id of the new integration.

An organization can have one integration, of any provider. Without a secret,
deliveries are unsigned and anyone can forge them, so you must pass --no-secret
to leave it out. The secret is stored on this machine, in the system's keyring
or in a file that only you can read, where listen, trigger and verify find it.
Pass --no-store to store nothing.`,
		Example: `  mender-webhooks create --url https://example.com/mender --generate-secret
  mender-webhooks create --url https://example.com/ --secret-file hook.secret
  MENDER_WEBHOOK_SECRET=00ff… mender-webhooks create --url https://example.com/`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 && strings.Contains(given[0], "://") {
				return cli.Hinted(cli.Usagef("create takes the URL as a flag"), "pass it as --url URL")
			}
			return cli.Args(0, 0, "no arguments, only flags")(cmd, given)
		},
		PreRunE: newSecretRules().Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(knownScopes(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func knownScopes() []string { return []string{"deviceauth", "inventory"} }

func runCreate(ctx context.Context, a *cli.App, o createOptions) error {
	p, err := printer(a, o.dryRun)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if _, err := a.Settings(); err != nil {
		return err
	}
	a.WarnUnknown("--scope", o.scopes, knownScopes())
	w := provision.Webhook{URL: o.url, Description: o.description, Scopes: o.scopes}
	if err := o.secret.resolve(ctx, a, &w); err != nil {
		return err
	}
	if w.Secret.IsZero() && !o.secret.none {
		return cli.Hinted(cli.Usagef("create requires a secret: without one, anyone can forge deliveries"),
			"pass --generate-secret to generate and store one, or --no-secret to leave deliveries unsigned")
	}
	e, err := newEngine(a, o.secret.noStore, provision.Options{})
	if err != nil {
		return err
	}
	a.WarnAboutReceiver(ctx, o.url)
	plan := e.CreatePlan(w)
	if o.dryRun {
		if err := e.CheckRoom(ctx); err != nil {
			return err
		}
		return finishDryRun(a, p, plan, false)
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

// check validates the flags.
func (o createOptions) check() error {
	if o.url == "" {
		return cli.Hinted(cli.Usagef("create requires --url URL"), "see `mender-webhooks create --help`")
	}
	if err := cli.CheckURL("--url", o.url); err != nil {
		return err
	}
	if n := len(o.description); n > maxDescription {
		return cli.Usagef("invalid --description: must be at most %d bytes, not %d", maxDescription, n)
	}
	if _, err := textfile.Decode([]byte(o.description)); err != nil {
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
