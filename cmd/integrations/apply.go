package integrations

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// maxProvisionFile is far more than any file of integrations needs, in bytes.
const maxProvisionFile = 1 << 20

type applyOptions struct {
	file          string
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
		Use:         "apply -f FILE",
		Annotations: cli.PrintsResult(),
		Short:       "Make the server match a file",
		Long: `Make the server match a file of integrations, and say beforehand what that
takes. The whole file is checked before anything is sent; then the plan is
shown, and carried out after a yes: on a terminal it is asked for, elsewhere it
is --yes. Where the server matches already, only reads are sent.

What the file does not name is not compared, and is not removed without --prune.
The server replaces URL and credentials in place. For anything else (description,
scopes, provider) it takes delete and create, and events in between are neither
logged nor sent: that needs --allow-recreate.

The server never tells a secret. A fingerprint of what was applied is kept on
this machine; where there is none, the secret is set anew, unless
--assume-secret-unchanged says that it need not be.`,
		Example: `  mender-webhooks apply -f webhooks.yaml --dry-run
  mender-webhooks apply -f webhooks.yaml --yes
  mender-webhooks export | mender-webhooks apply -f - --dry-run --exit-code`,
		Args:    cli.Args(0, 0, "no arguments; the file is -f FILE"),
		PreRunE: cli.Rules{Needs: map[string][]string{"exit-code": {"dry-run"}}}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runApply(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.file, "file", "f", "", "the `FILE` to apply (- reads stdin)")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan, and change nothing")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --dry-run: exit with 8 where the server differs from the file")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.prune, "prune", false, "remove integrations that the file does not name")
	f.BoolVar(&o.allowRecreate, "allow-recreate", false, "delete and create where the server can't change in place")
	f.BoolVar(&o.assumeSecret, "assume-secret-unchanged", false,
		"take a secret that is unknown on this machine for the one that the server has")
	f.BoolVar(&o.noStore, "no-store", false, "store neither secrets nor fingerprints on this machine")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	return cmd
}

func runApply(ctx context.Context, a *cli.App, o applyOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if o.file == "" {
		return cli.Hinted(cli.Usagef("apply needs -f FILE"), "`mender-webhooks export` writes one for what the server has")
	}
	file, err := readProvisionFile(ctx, a, o.file)
	if err != nil {
		return err
	}
	if !o.dryRun && !o.yes && (o.file == "-" || !a.Interactive()) {
		return cli.Hinted(cli.Usagef("apply needs a yes, and there is no terminal to ask on"), "say --yes; --dry-run only shows the plan")
	}
	pr, err := newEngine(a, o.noStore, provision.Options{
		Prune: o.prune, AllowRecreate: o.allowRecreate, AssumeSecretUnchanged: o.assumeSecret,
		Progress: func(s provision.Step) { a.Say("%s", doneText(s)) },
	})
	if err != nil {
		return err
	}
	plan, err := pr.Plan(ctx, file)
	if err != nil {
		return planFailure(err)
	}
	for _, w := range plan.Warnings {
		a.Warn("%s", w)
	}
	if o.dryRun {
		return finishDryRun(a, p, o, plan)
	}
	if err := agree(ctx, a, p, o, file, plan); err != nil {
		return err
	}
	done, err := pr.Apply(ctx, plan)
	if p.Format() != output.Table {
		err = errors.Join(err, printPlan(a, p, done))
	}
	if err == nil {
		a.Say("%s", summary(done))
	}
	return applyFailure(err)
}

// readProvisionFile reads and checks the file; nothing has been sent then.
func readProvisionFile(ctx context.Context, a *cli.App, name string) (*provision.File, error) {
	text, err := a.ReadText(ctx, name, maxProvisionFile)
	if err != nil {
		return nil, err
	}
	dir := ""
	if name != "-" {
		dir = filepath.Dir(name)
	}
	file, err := provision.Read(textfile.Name(name), text, provision.Sources{LookupEnv: a.Env, ReadFile: os.ReadFile, Dir: dir})
	var wrong *provision.FileError
	if errors.As(err, &wrong) {
		return nil, fileFailure(a, wrong)
	}
	return file, err
}

// fileFailure shows several problems a line each, and sums them up.
func fileFailure(a *cli.App, wrong *provision.FileError) error {
	if len(wrong.Problems) == 1 || a.Flags.Output == string(output.JSON) {
		return cli.Usagef("%w", wrong)
	}
	for _, line := range wrong.Lines() {
		a.PrintError(line)
	}
	return cli.Usagef("%s has %d mistakes; nothing was sent", wrong.Name, len(wrong.Problems))
}

func finishDryRun(a *cli.App, p *output.Printer, o applyOptions, plan *provision.Plan) error {
	if err := printPlan(a, p, plan); err != nil {
		return err
	}
	a.Say("%s", summary(plan))
	if o.exitCode && plan.Changes {
		return &cli.Silent{Kind: cli.ExitDiffers}
	}
	return nil
}

// agree shows the plan, and asks where it has to. What is not allowed is
// refused before the question.
func agree(ctx context.Context, a *cli.App, p *output.Printer, o applyOptions, file *provision.File, plan *provision.Plan) error {
	if p.Format() == output.Table {
		if err := printPlan(a, p, plan); err != nil {
			return err
		}
	}
	if !plan.Changes {
		return nil
	}
	for _, s := range plan.Steps {
		if s.Action == provision.Recreate && !o.allowRecreate {
			return applyFailure(provision.ErrNotAllowed)
		}
		if s.Action != provision.Nothing && s.Action != provision.Delete {
			for _, url := range file.URLs() {
				a.WarnAboutReceiver(ctx, url)
			}
		}
	}
	if o.yes {
		return nil
	}
	if p.Format() != output.Table || !cli.IsTerminal(a.Out) {
		for _, line := range planLines(plan, a.ErrStyle()) {
			a.SayAlways(line)
		}
	}
	return a.Confirm(ctx, "Do this?")
}

// planFailure is an error of the plan: nothing has been changed.
func planFailure(err error) error {
	var missing *provision.StoreError
	if errors.As(err, &missing) {
		if missing.Generate {
			return cli.Hinted(cli.Usagef("%w", err), "leave --no-store out, or use { env: VARIABLE }")
		}
		return cli.Hinted(cli.Usagef("%w", err), "{ generate: true } makes a secret where none is stored; `mender-webhooks secret set` stores one")
	}
	return err
}

func applyFailure(err error) error {
	var (
		race     *provision.RaceError
		recreate *provision.RecreateError
		keep     *provision.KeepError
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, provision.ErrNotAllowed):
		return cli.Hinted(cli.Usagef("%w; nothing was changed", err), "say --allow-recreate; events are neither logged nor sent until the new one is there")
	case errors.As(err, &recreate):
		return cli.Hinted(err, "see to the cause, then run apply again")
	case errors.As(err, &race):
		return cli.Hinted(cli.Failf(cli.ExitConflict, "%w", err), "look at it with --dry-run, then run apply again")
	case errors.As(err, &keep):
		return cli.Hinted(cli.Failf(cli.ExitFailed, "%w", err), "run apply again")
	case errors.Is(err, mender.ErrOutcomeUnknown):
		return cli.Hinted(err, "it was not there a moment later; run apply again, which looks first")
	case errors.Is(err, mender.ErrConflict):
		return cli.Hinted(err, "devices use the integration: it can be removed once they are decommissioned")
	}
	return err
}
