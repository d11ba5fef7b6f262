package integrations

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// maxProvisionFile is the size limit of a file for apply, in bytes. It is far higher
// than any file needs.
const maxProvisionFile = 256 << 10

type applyOptions struct {
	files         []string
	yes           bool
	dryRun        bool
	exitCode      bool
	prune         bool
	allowRecreate bool
	assumeSecret  bool
	noStore       bool
}

// NewApplyCmd returns the apply command.
func NewApplyCmd(a *cli.App) *cobra.Command {
	o := applyOptions{}
	cmd := &cobra.Command{
		Use:         "apply -f FILE...",
		Annotations: cli.PrintsResult(),
		Short:       "Make the server match a file",
		Long: `Make the server match a file that describes the organization's webhook. apply
first checks the whole file, then shows the plan, and asks for confirmation on
a terminal; elsewhere you must pass --yes. If the server already matches, apply
only reads.

apply ignores keys that the file leaves out. With --prune, it also deletes
integrations that the file does not name. The server can replace only the URL
and the secret in place. Any other change (description, scopes, provider)
requires --allow-recreate: apply then deletes the webhook and creates a new
one, and events in between are neither logged nor sent.

The server never returns a secret, so apply stores a fingerprint of the secret
on this machine. Without a fingerprint it sets the secret again, unless you
pass --assume-secret-unchanged. See docs/provisioning.md for the file.

With several files, or a folder of them, each file names the profile of its
organization. If one organization cannot be reached, the others are still
changed. With --all-profiles, --dry-run compares one file with each profile.`,
		Example: `  mender-webhooks apply -f webhooks.yaml --dry-run
  mender-webhooks apply -f webhooks.yaml --yes
  mender-webhooks apply -f customers/ --yes
  mender-webhooks export | mender-webhooks apply -f - --dry-run --exit-code`,
		Args:    cli.Args(0, 0, "no arguments, only -f FILE"),
		PreRunE: cli.Rules{Needs: map[string][]string{"exit-code": {"dry-run"}, "all-profiles": {"dry-run"}}}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runApply(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&o.files, "file", "f", nil, "`FILE` or folder to apply; - for stdin (repeatable)")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --dry-run: exit with 8 if the server differs from the file")
	f.BoolVarP(&o.yes, "yes", "y", false, "skip the confirmation prompt")
	f.BoolVar(&o.prune, "prune", false, "delete integrations that the file does not name")
	f.BoolVar(&o.allowRecreate, "allow-recreate", false, "delete and recreate an integration that the server cannot change in place")
	f.BoolVar(&o.assumeSecret, "assume-secret-unchanged", false,
		"assume that the server's secret is current if this machine has no record of it")
	f.BoolVar(&o.noStore, "no-store", false, "store no secrets or fingerprints on this machine")
	a.AddAllProfiles(f, "with --dry-run: compare the file with")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	return cmd
}

func runApply(ctx context.Context, a *cli.App, o applyOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	all, err := o.changes(ctx, a)
	if err != nil {
		return err
	}
	if !o.dryRun && !o.yes && (slices.Contains(o.files, "-") || !a.Interactive()) {
		return cli.Hinted(cli.Usagef("confirmation required, but stdin is not a terminal"), "pass --yes to skip the prompt, or --dry-run to see only the plan")
	}
	planned, failed := cli.Each(ctx, all.list, appOf, func(ctx context.Context, c *change) (*change, error) {
		return c, c.makePlan(ctx, o)
	})
	all.list = planned
	switch {
	case ctx.Err() != nil:
		return cmp.Or(failed, ctx.Err())
	case len(planned) == 0 && !all.several:
		return failed
	case o.dryRun:
		differs := all.finishDryRun(a, p, o.exitCode)
		return cmp.Or(failed, differs)
	}
	return all.apply(ctx, a, p, o, failed)
}

// apply shows the plans, asks, and executes those that are allowed. failed is the error of
// the profiles that have no plan.
func (all changes) apply(ctx context.Context, a *cli.App, p *output.Printer, o applyOptions, failed error) error {
	all.warn()
	if p.Format() == output.Table {
		if err := all.print(a, p); err != nil {
			return err
		}
	}
	allowed, refused := cli.Each(ctx, all.list, appOf, func(ctx context.Context, c *change) (*change, error) {
		return c, c.check(ctx, o)
	})
	failed = cli.JoinProfiles(failed, refused)
	if len(allowed) == 0 && !all.several {
		return failed
	}
	if err := confirmPlan(ctx, a, p, o, changes{list: allowed, several: all.several}, failed); err != nil {
		return err
	}
	_, unfinished := cli.Each(ctx, allowed, appOf, func(ctx context.Context, c *change) (*change, error) {
		return c, c.execute(ctx)
	})
	failed = cli.JoinProfiles(failed, unfinished)
	if p.Format() != output.Table {
		failed = cmp.Or(all.print(a, p), failed)
	}
	if failed == nil || all.several && len(all.list) > 0 {
		a.Say("%s", all.summary())
	}
	return failed
}

// finishDryRun prints a plan.
func finishDryRun(a *cli.App, p *output.Printer, plan *provision.Plan) error {
	all := changes{list: []*change{{app: a, plan: plan}}}
	return all.finishDryRun(a, p, false)
}

// confirmPlan asks for confirmation if anything is to be changed. It names the profiles that
// are left out.
func confirmPlan(ctx context.Context, a *cli.App, p *output.Printer, o applyOptions, allowed changes, leftOut error) error {
	if o.yes || !allowed.any() {
		return nil
	}
	if p.Format() != output.Table || !cli.IsTerminal(a.Out) {
		a.SayAlways(allowed.text(a.ErrStyle()))
	}
	var many *cli.ProfilesError
	if errors.As(leftOut, &many) {
		for _, f := range many.Failures {
			a.Warn("profile %s is left out: %v", f.App.Profile(), f.Err)
		}
	}
	if allowed.several {
		return a.Confirm(ctx, "Apply these plans?")
	}
	return a.Confirm(ctx, "Apply this plan to "+allowed.list[0].app.Where()+"?")
}
