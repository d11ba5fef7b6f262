// Package local implements the commands that need no server: sandbox, demo and
// version.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
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
	lose           float64
	loseEvents     float64
}

// NewSandboxCmd returns the sandbox command.
func NewSandboxCmd(a *cli.App) *cobra.Command {
	o := sandboxOptions{}
	cmd := &cobra.Command{
		Use:   "sandbox [-- COMMAND...]",
		Short: "Run a stand-in for Mender's API on this machine",
		Long: `Run a stand-in for a Mender server on this machine. It has the management and
internal APIs of iot-manager, the devices of deviceauth and inventory, and the
logins of useradm, and delivers webhooks.
It is tested against recordings of the real services, error messages and quirks
included.

When ready, it prints the server's URL and an administrator's token to stdout,
as two lines for a shell to evaluate, and the users and passwords for login to
stderr. With a COMMAND, it runs the command with these two variables set, and
exits with its exit code.

Unlike the real server, it accepts webhook URLs on this machine, unless
--check-addresses is set. State is lost at exit, unless --state is set.

To stop a service, send {"down": true} to the path
/api/internal/v1/sandbox/services/NAME with PUT, and {"down": false} to start it
again. While "inventory" is down, it misses changes, and no events are made for
them; "events" stands for iot-manager.`,
		Example: `  mender-webhooks sandbox --fleet 20 --rate 2 --env-file sandbox.env
  . ./sandbox.env && mender-webhooks activity       # in another terminal
  mender-webhooks sandbox -- ./integration-test.sh`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 && cmd.ArgsLenAtDash() != 0 {
				return cli.Hinted(cli.Usagef("unexpected argument %q", given[0]), "put -- before the command to run")
			}
			return nil
		},
		Annotations: map[string]string{cli.TakesCommand: "yes"},
		PreRunE:     cli.Rules{Needs: map[string][]string{"rate": {"fleet"}}}.Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSandbox(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on, as `HOST:PORT`; port 0 picks a free port")
	f.StringVar(&o.envFile, "env-file", "", "also write the two lines to `FILE` (mode 0600)")
	f.BoolVar(&o.checkAddresses, "check-addresses", false, "refuse webhook URLs with reserved addresses, as the real server does")
	f.BoolVar(&o.scopes, "scopes", false, "simulate an Enterprise server, with scopes, roles and a plan")
	f.IntVar(&o.fleet, "fleet", 0, "number `N` of simulated devices that keep changing")
	f.Float64Var(&o.rate, "rate", 1, "with --fleet: number `N` of events per second")
	f.IntVar(&o.events, "events", 0, "number `N` of past events to start with")
	f.StringVar(&o.state, "state", "", "`FILE` that preserves the state across restarts")
	f.Float64Var(&o.failRate, "fail-rate", 0, "`SHARE` of management requests that fail, from 0 to 1")
	f.Float64Var(&o.lose, "lose", 0, "`SHARE` of deliveries that run into the time limit and are not logged, from 0 to 1")
	f.Float64Var(&o.loseEvents, "lose-events", 0, "`SHARE` of changes without an event, from 0 to 1")
	f.DurationVar(&o.latency, "latency", 0, "`DURATION` to delay each management request")
	f.DurationVar(&o.sessionTTL, "session-ttl", 0, "`DURATION` until a login expires (default 168h)")
	f.IntVar(&o.rateLimit, "rate-limit", 0, "number `N` of management requests allowed per user and minute, before answering 429; 0 for no limit")
	return cmd
}

// check validates the numbers.
func (o sandboxOptions) check() error {
	switch {
	case o.fleet < 0:
		return cli.Usagef("invalid --fleet %d: must not be negative", o.fleet)
	case o.rate <= 0:
		return cli.Usagef("invalid --rate %v: must be positive", o.rate)
	case o.events < 0:
		return cli.Usagef("invalid --events %d: must not be negative", o.events)
	case o.latency < 0:
		return cli.Usagef("invalid --latency %s: must not be negative", o.latency)
	case o.sessionTTL < 0:
		return cli.Usagef("invalid --session-ttl %s: must not be negative", o.sessionTTL)
	case o.rateLimit < 0:
		return cli.Usagef("invalid --rate-limit %d: must not be negative", o.rateLimit)
	case o.failRate < 0 || o.failRate > 1:
		return cli.Usagef("invalid --fail-rate %v: must be from 0 to 1", o.failRate)
	case o.lose < 0 || o.lose > 1:
		return cli.Usagef("invalid --lose %v: must be from 0 to 1", o.lose)
	case o.loseEvents < 0 || o.loseEvents > 1:
		return cli.Usagef("invalid --lose-events %v: must be from 0 to 1", o.loseEvents)
	}
	return nil
}

func runSandbox(ctx context.Context, a *cli.App, o sandboxOptions, command []string) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.addr, err = cli.ListenAddress("--addr", o.addr); err != nil {
		return err
	}
	var child *cli.Child
	if len(command) > 0 {
		if child, err = cli.NewChild(command); err != nil {
			return err
		}
		defer child.Release()
	}
	sb, err := sandbox.New(sandbox.Options{
		CheckAddresses: o.checkAddresses, Scopes: o.scopes, History: o.events,
		StateFile: o.state, FailRate: o.failRate, Latency: o.latency,
		SessionTTL: o.sessionTTL, RateLimit: o.rateLimit, Lose: o.lose, LoseEvents: o.loseEvents,
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
	defer func() { _ = srv.Close() }() // cancels requests in progress

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
	if err := announceSandbox(a, o, sb, server, child != nil); err != nil {
		return err
	}
	if child != nil {
		child.Env = append(child.Env, config.EnvServer+"="+server, config.EnvToken+"="+sb.AdminToken())
		return child.Run(a)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return fmt.Errorf("the sandbox stopped serving: %w", err)
	}
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
