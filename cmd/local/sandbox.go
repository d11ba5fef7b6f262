// Package local has the commands that need no server: sandbox, demo and version.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

type sandboxOptions struct {
	addr           string
	envFile        string
	checkAddresses bool
	scopes         bool
	fleet          int
	rate           float64
	events         int
	state          string
	failRate       float64
	latency        time.Duration
	sessionTTL     time.Duration
	rateLimit      int
}

// NewSandboxCmd returns the sandbox command.
func NewSandboxCmd(a *cli.App) *cobra.Command {
	o := sandboxOptions{}
	cmd := &cobra.Command{
		Use:   "sandbox [-- COMMAND...]",
		Short: "A stand-in for Mender's API on this machine",
		Long: `Run a stand-in for Mender's server on this machine: the management and internal
calls of iot-manager and the login of useradm, with the answers, words and
quirks of the real one, and deliveries as the real one makes them. It was
checked against recordings of the real services.

When it is ready it prints two lines on stdout that a shell can evaluate: the
server's URL and an administrator's token. Users and passwords for login are
told on stderr. With a COMMAND, it runs that with the two set, and ends with
its exit code.

Webhook URLs on this machine are allowed, unlike on the real server, unless
--check-addresses. State is kept in memory, or in the file of --state.`,
		Example: `  mender-webhooks sandbox --fleet 20 --rate 2 --env-file sandbox.env
  . ./sandbox.env && mender-webhooks activity       (in another terminal)
  mender-webhooks sandbox -- ./integration-test.sh`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 && cmd.ArgsLenAtDash() != 0 {
				return cli.Hinted(cli.Usagef("sandbox does not take %q", given[0]), "a command to run comes after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSandbox(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "where to listen, `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&o.envFile, "env-file", "", "write the two lines into `FILE` too (mode 0600)")
	f.BoolVar(&o.checkAddresses, "check-addresses", false, "refuse webhook URLs on reserved addresses, as the real server does")
	f.BoolVar(&o.scopes, "scopes", false, "play an Enterprise server: scopes, roles, a plan")
	f.IntVar(&o.fleet, "fleet", 0, "keep `N` simulated devices changing")
	f.Float64Var(&o.rate, "rate", 1, "with --fleet: `N` events a second")
	f.IntVar(&o.events, "events", 0, "start with a history of `N` events")
	f.StringVar(&o.state, "state", "", "keep the state in `FILE`, over restarts")
	f.Float64Var(&o.failRate, "fail-rate", 0, "the `SHARE` of management requests that fail, from 0 to 1")
	f.DurationVar(&o.latency, "latency", 0, "the `DURATION` that each management request takes")
	f.DurationVar(&o.sessionTTL, "session-ttl", 0, "the `DURATION` that a login lasts (default a week)")
	f.IntVar(&o.rateLimit, "rate-limit", 0, "answer 429 to more than `N` management requests of a user in a minute")
	return cmd
}

func runSandbox(ctx context.Context, a *cli.App, o sandboxOptions, command []string) (err error) {
	switch {
	case o.fleet < 0 || o.events < 0 || o.rate <= 0:
		return cli.Usagef("--fleet and --events can't be negative, and --rate is above 0")
	case o.sessionTTL < 0 || o.rateLimit < 0:
		return cli.Usagef("--session-ttl and --rate-limit can't be negative")
	case o.failRate < 0 || o.failRate > 1:
		return cli.Usagef("--fail-rate %v: it is a share from 0 to 1", o.failRate)
	}
	if o.addr, err = cli.ListenAddress("--addr", o.addr); err != nil {
		return err
	}
	sb, err := sandbox.New(sandbox.Options{
		CheckAddresses: o.checkAddresses, Scopes: o.scopes, History: o.events,
		StateFile: o.state, FailRate: o.failRate, Latency: o.latency,
		SessionTTL: o.sessionTTL, RateLimit: o.rateLimit,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	l, err := cli.ListenOn(ctx, "--addr", o.addr)
	if err != nil {
		return err
	}
	server := "http://" + l.Addr().String()
	srv := &http.Server{Handler: sb, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() { _ = srv.Close() }() // requests under way are cut off

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.fleet > 0 {
		var fleet sync.WaitGroup
		fleet.Go(func() {
			if err := sb.RunFleet(ctx, o.fleet, o.rate); err != nil && ctx.Err() == nil {
				a.Warn("the simulated devices stopped: %v", err)
			}
		})
		defer func() { cancel(); fleet.Wait() }()
	}
	if err := announceSandbox(a, o, sb, server, len(command) > 0); err != nil {
		return err
	}
	if len(command) > 0 {
		return runChild(ctx, a, command, server, sb.AdminToken())
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return fmt.Errorf("the sandbox stopped serving: %w", err)
	}
}

// announceSandbox says that it is ready. For a command to run, stdout is that
// command's alone.
func announceSandbox(a *cli.App, o sandboxOptions, sb *sandbox.Sandbox, server string, quiet bool) error {
	lines := fmt.Sprintf("export %s=%s\nexport %s=%s\n", config.EnvServer, server, config.EnvToken, sb.AdminToken())
	if o.envFile != "" {
		if err := writePrivate(o.envFile, lines); err != nil {
			return cli.Usagef("--env-file: %w", err)
		}
	}
	a.Say("a stand-in for Mender on %s; log in as:", server)
	for _, u := range sb.Users() {
		switch {
		case u.Password == "":
			a.Say("  %-20s (single sign-on: no password, only personal access tokens)", u.Email)
		case u.TwoFactorCode != "":
			a.Say("  %-20s %-24s %s, with the two-factor code %s", u.Email, u.Password, u.Role, u.TwoFactorCode)
		default:
			a.Say("  %-20s %-24s %s", u.Email, u.Password, u.Role)
		}
	}
	if quiet {
		return nil
	}
	_, err := fmt.Fprint(a.Out, lines)
	return err
}

// writePrivate writes a file that only its owner may read, in place of one
// that may be there.
func writePrivate(name, text string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// runChild runs a command against the sandbox and ends as it ends.
func runChild(ctx context.Context, a *cli.App, command []string, server, token string) error {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = append(os.Environ(), config.EnvServer+"="+server, config.EnvToken+"="+token)
	child.Stdin, child.Stdout, child.Stderr = a.In, a.Out, a.Err
	// Ctrl-C reaches the child from the terminal; give it time to end itself.
	child.Cancel = func() error {
		if err := child.Process.Signal(os.Interrupt); err != nil {
			return child.Process.Kill() // Windows has no such signal
		}
		return nil
	}
	child.WaitDelay = 10 * time.Second
	err := child.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return cli.Silently(exit.ExitCode())
	case errors.As(err, &exit):
		return cli.Failf(cli.ExitFailed, "%s: %w", command[0], err)
	case errors.Is(err, exec.ErrNotFound):
		return cli.Usagef("there is no program %q to run", command[0])
	case err != nil:
		return cli.Usagef("run %s: %w", command[0], err)
	}
	return nil
}
