// Package local implements the commands that need no server: sandbox, demo and
// version.
package local

import (
	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

type sandboxOptions struct {
	sandbox.Options
	addr    string
	envFile string
	fleet   int
	rate    float64
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
	f.BoolVar(&o.CheckAddresses, "check-addresses", false, "refuse webhook URLs with reserved addresses, as the real server does")
	f.BoolVar(&o.Scopes, "scopes", false, "simulate an Enterprise server, with scopes, roles and a plan")
	f.IntVar(&o.fleet, "fleet", 0, "number `N` of simulated devices that keep changing")
	f.Float64Var(&o.rate, "rate", 1, "with --fleet: number `N` of events per second")
	f.IntVar(&o.History, "events", 0, "number `N` of past events to start with")
	f.StringVar(&o.StateFile, "state", "", "`FILE` that preserves the state across restarts")
	f.Float64Var(&o.FailRate, "fail-rate", 0, "`SHARE` of management requests that fail, from 0 to 1")
	f.Float64Var(&o.Lose, "lose", 0, "`SHARE` of deliveries that run into the time limit and are not logged, from 0 to 1")
	f.Float64Var(&o.LoseEvents, "lose-events", 0, "`SHARE` of changes without an event, from 0 to 1")
	f.DurationVar(&o.Latency, "latency", 0, "`DURATION` to delay each management request")
	f.DurationVar(&o.SessionTTL, "session-ttl", 0, "`DURATION` until a login expires (default 168h)")
	f.IntVar(&o.RateLimit, "rate-limit", 0, "number `N` of management requests allowed per user and minute, before answering 429; 0 for no limit")
	return cmd
}

// check validates the numbers.
func (o sandboxOptions) check() error {
	switch {
	case o.fleet < 0:
		return cli.Usagef("invalid --fleet %d: must not be negative", o.fleet)
	case o.rate <= 0:
		return cli.Usagef("invalid --rate %v: must be positive", o.rate)
	case o.History < 0:
		return cli.Usagef("invalid --events %d: must not be negative", o.History)
	case o.Latency < 0:
		return cli.Usagef("invalid --latency %s: must not be negative", o.Latency)
	case o.SessionTTL < 0:
		return cli.Usagef("invalid --session-ttl %s: must not be negative", o.SessionTTL)
	case o.RateLimit < 0:
		return cli.Usagef("invalid --rate-limit %d: must not be negative", o.RateLimit)
	case o.FailRate < 0 || o.FailRate > 1:
		return cli.Usagef("invalid --fail-rate %v: must be from 0 to 1", o.FailRate)
	case o.Lose < 0 || o.Lose > 1:
		return cli.Usagef("invalid --lose %v: must be from 0 to 1", o.Lose)
	case o.LoseEvents < 0 || o.LoseEvents > 1:
		return cli.Usagef("invalid --lose-events %v: must be from 0 to 1", o.LoseEvents)
	}
	return nil
}
