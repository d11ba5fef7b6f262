package integrations

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// maxProvisionFile is the size limit of a file for apply, in bytes. It is far higher
// than any file needs.
const maxProvisionFile = 256 << 10

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
		Long: `Make the server match a file that describes the organization's webhook. apply
first checks the whole file, then shows the plan, and asks for confirmation on
a terminal; elsewhere you must pass --yes. If the server already matches, apply
only reads.

apply does not compare keys that the file leaves out, and deletes integrations
that the file does not name only with --prune. The server can replace only the
URL and the secret in place. Any other change (description, scopes, provider)
requires --allow-recreate: apply then deletes the webhook and creates a new
one, and events in between are neither logged nor sent.

The server never returns a secret, so apply stores a fingerprint of the secret
on this machine. Without a fingerprint it sets the secret again, unless you
pass --assume-secret-unchanged. See docs/provisioning.md for the file.`,
		Example: `  mender-webhooks apply -f webhooks.yaml --dry-run
  mender-webhooks apply -f webhooks.yaml --yes
  mender-webhooks export | mender-webhooks apply -f - --dry-run --exit-code`,
		Args:    cli.Args(0, 0, "no arguments, only -f FILE"),
		PreRunE: cli.Rules{Needs: map[string][]string{"exit-code": {"dry-run"}}}.Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runApply(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.file, "file", "f", "", "`FILE` to apply; - is stdin")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan without changing anything")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --dry-run: exit with 8 if the server differs from the file")
	f.BoolVarP(&o.yes, "yes", "y", false, "skip the prompt")
	f.BoolVar(&o.prune, "prune", false, "delete integrations that the file does not name")
	f.BoolVar(&o.allowRecreate, "allow-recreate", false, "delete and create if the server cannot change in place")
	f.BoolVar(&o.assumeSecret, "assume-secret-unchanged", false,
		"assume that the server's secret is current if this machine has no record of it")
	f.BoolVar(&o.noStore, "no-store", false, "store no secrets or fingerprints on this machine")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	return cmd
}

func runApply(ctx context.Context, a *cli.App, o applyOptions) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if o.file == "" {
		return cli.Hinted(cli.Usagef("apply requires -f FILE"), "run `mender-webhooks export > webhooks.yaml` to write one")
	}
	file, err := readProvisionFile(ctx, a, o.file)
	if err != nil {
		return err
	}
	if !o.dryRun && !o.yes && (o.file == "-" || !a.Interactive()) {
		return cli.Hinted(cli.Usagef("confirmation required, but stdin is not a terminal"), "pass --yes to skip the prompt, or --dry-run to see only the plan")
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
		return err
	}
	if o.dryRun {
		return finishDryRun(a, p, plan, o.exitCode)
	}
	warnOf(a, plan)
	if err := agree(ctx, a, p, o, file, plan); err != nil {
		return err
	}
	done, err := pr.Apply(ctx, plan)
	if p.Format() != output.Table {
		err = errors.Join(err, printPlan(a, p, done))
	}
	if err == nil {
		a.Say("%s", summary(done, a.Where()))
	}
	return unkept(err, "run apply again")
}

// readProvisionFile reads and checks the file before anything is sent.
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

// fileFailure returns a usage error for a file with problems. If a file has several, it
// also prints each on a line of its own.
func fileFailure(a *cli.App, wrong *provision.FileError) error {
	if len(wrong.Problems) == 1 || a.Flags.Output == string(output.JSON) {
		return cli.Usagef("%w", wrong)
	}
	for _, line := range wrong.Lines() {
		a.PrintError(line)
	}
	return cli.Usagef("%s has %d mistakes; nothing was sent", wrong.Name, len(wrong.Problems))
}

func warnOf(a *cli.App, plan *provision.Plan) {
	for _, w := range plan.Warnings {
		a.Warn("%s", w)
	}
}

// finishDryRun prints a plan. With exitCode, a plan with changes is an error.
func finishDryRun(a *cli.App, p *output.Printer, plan *provision.Plan, exitCode bool) error {
	warnOf(a, plan)
	if err := printPlan(a, p, plan); err != nil {
		return err
	}
	a.Say("%s", summary(plan, a.Where()))
	if exitCode && plan.Changes {
		return &cli.SilentError{Kind: fault.Differs}
	}
	return nil
}

// agree shows the plan and asks for confirmation. If the plan is not allowed, it
// returns an error and does not ask.
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
			return provision.ErrNotAllowed
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
	return a.Confirm(ctx, "Apply this plan to "+a.Where()+"?")
}
