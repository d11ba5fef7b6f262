package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/child"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

func runSandbox(ctx context.Context, a *cli.App, o sandboxOptions, command []string) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.addr, err = cli.ListenAddress("--addr", o.addr); err != nil {
		return err
	}
	var program *child.Program
	if len(command) > 0 {
		if program, err = child.New(command); err != nil {
			return err
		}
		defer program.Release()
	}
	sb, err := sandbox.New(o.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	l, err := cli.ListenOn(ctx, "--addr", o.addr)
	if err != nil {
		return err
	}
	server := sb.Serve(l)
	defer func() { err = errors.Join(err, server.Close()) }()

	defer o.startFleet(ctx, a, sb)()
	if err := announceSandbox(a, o, sb, server.URL, program != nil); err != nil {
		return err
	}
	if program != nil {
		program.Env = append(program.Env, config.EnvServer+"="+server.URL, config.EnvToken+"="+sb.AdminToken())
		return program.Run(a.In, a.Out, a.Err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Failed:
		return fmt.Errorf("the sandbox stopped serving: %w", err)
	}
}

// startFleet starts to change the simulated devices, and returns the function that stops it.
func (o sandboxOptions) startFleet(ctx context.Context, a *cli.App, sb *sandbox.Sandbox) (stop func()) {
	if o.fleet == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var fleet sync.WaitGroup
	fleet.Go(func() {
		if err := sb.RunFleet(ctx, o.fleet, o.rate); err != nil && ctx.Err() == nil {
			a.Warn("the simulated devices stopped: %v", err)
		}
	})
	return func() { cancel(); fleet.Wait() }
}

// announceSandbox reports that the sandbox is ready. With quiet, it does not write
// to stdout, which then belongs to the command that the sandbox runs.
func announceSandbox(a *cli.App, o sandboxOptions, sb *sandbox.Sandbox, server string, quiet bool) error {
	lines := fmt.Sprintf("export %s=%s\nexport %s=%s\n", config.EnvServer, server, config.EnvToken, sb.AdminToken())
	if o.envFile != "" {
		if err := textfile.ReplaceSecret(o.envFile, []byte(lines)); err != nil {
			return cli.Usagef("--env-file: %w", err)
		}
	}
	a.Say("stand-in for Mender running on %s; log in as:", server)
	for _, u := range sb.Users() {
		switch {
		case u.Password == "":
			a.Say("  %-20s (single sign-on: no password; use a personal access token)", u.Email)
		case u.TwoFactorCode != "":
			a.Say("  %-20s %-24s %s, two-factor code %s", u.Email, u.Password, u.Role, u.TwoFactorCode)
		default:
			a.Say("  %-20s %-24s %s", u.Email, u.Password, u.Role)
		}
	}
	if quiet {
		return nil
	}
	_, err := fmt.Fprint(a.Stdout(), lines)
	return err
}
