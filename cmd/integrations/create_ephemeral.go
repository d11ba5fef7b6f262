package integrations

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/child"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

// The limits of --ttl. A mark counts in seconds, and a longer ttl than 30 days would hardly
// ever let delete --expired clean up.
const (
	minTTL = time.Second
	maxTTL = 720 * time.Hour
)

// runEphemeral creates a webhook for the run of a command. stdout belongs to the command.
func runEphemeral(ctx context.Context, a *cli.App, p *output.Printer, o createOptions) error {
	if err := o.checkEphemeral(a); err != nil {
		return err
	}
	program, err := child.New(o.command)
	if err != nil {
		return err
	}
	defer program.Release()
	o.secret.ephemeral, o.secret.noStore = true, true
	e, w, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	plan, err := e.EphemeralPlan(ctx, w, o.ttl)
	if err != nil {
		return err
	}
	if o.dryRun {
		if err := finishDryRun(a, p, plan); err != nil {
			return err
		}
		a.Say("would then run %s and delete the webhook", strings.Join(o.command, " "))
		return nil
	}
	id := ""
	err, left := e.RunEphemeral(ctx, plan, func(created mender.Integration) error {
		id = created.ID
		if err := o.checkScopes(a, created); err != nil {
			return err
		}
		mark, _ := provision.ParseEphemeral(created.Description)
		a.Say("created webhook %s, which expires on %s", id, output.Time(mark.Expires, false))
		program.Env = programEnv(program.Env, created, w)
		return program.Run(a.In, a.Out, a.Err)
	})
	if left == nil {
		if id != "" {
			a.Say("deleted webhook %s", id)
		}
		return err
	}
	return leftOver(err, left)
}

// checkEphemeral validates the flags that only matter with --ephemeral.
func (o createOptions) checkEphemeral(a *cli.App) error {
	switch {
	case o.ttl < minTTL || o.ttl > maxTTL:
		return cli.Usagef("invalid --ttl %s: must be from 1s to 720h", o.ttl)
	case o.secret.FromStdin():
		return cli.Hinted(cli.Usagef("--secret-file - cannot be combined with --ephemeral: stdin belongs to the command"),
			"pass a file, or leave the flag out to generate a secret")
	case o.dryRun:
		return nil
	case a.Flags.Jq != "" || a.Flags.Output != "" && a.Flags.Output != string(output.JSON):
		return cli.Hinted(cli.Usagef("--jq and output formats other than json cannot be combined with --ephemeral: stdout belongs to the command"),
			"leave them out, pass -o json for errors as JSON, or pass --dry-run to see the plan")
	}
	return nil
}

// programEnv adds the variables that describe a webhook to an environment.
func programEnv(env []string, created mender.Integration, w provision.Webhook) []string {
	env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, config.EnvWebhookSecret+"=") })
	env = append(env, "MENDER_WEBHOOK_ID="+created.ID, "MENDER_WEBHOOK_URL="+w.URL)
	if !w.Secret.IsZero() {
		env = append(env, config.EnvWebhookSecret+"="+w.Secret.Hex())
	}
	return env
}

// leftOver reports that the webhook of a run may still exist. If the command failed, its
// exit code remains.
func leftOver(err, left error) error {
	var ended *child.Error
	switch {
	case errors.As(err, &ended):
		return &child.Error{Err: cli.Also(ended.Err, left), Code: ended.Code}
	case err != nil:
		return cli.Also(err, left)
	}
	return &cli.EndError{Err: left} // a signal did not cause it
}
