package receiving

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

func newQueueRoutesCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "routes",
		Annotations: cli.PrintsResult(),
		Short:       "List the routes and their positions",
		Long: `List the routes of the queue: the names of targets, each with its position,
waiting events and dead letters. A route is

  active    if a listener has it
  away      if no listener has it now, but events are retained for it
  inactive  if events are no longer retained for it. It keeps its position.`,
		Example: `  mender-webhooks queue routes --store /var/lib/mender-webhooks
  mender-webhooks queue routes forget tickets --store /var/lib/mender-webhooks`,
		Args:    cli.UnknownCommand,
		PreRunE: queueRules().Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runQueueRoutes(cmd.Context(), a, o)
		},
	}
	cmd.AddCommand(newQueueForgetCmd(a, o))
	return cmd
}

func runQueueRoutes(ctx context.Context, a *cli.App, o *cli.QueueOptions) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	routes, err := store.RouteInfos(ctx)
	if err != nil {
		return err
	}
	stream := p.Stream([]output.Column{
		{Name: "ROUTE", Min: 12}, {Name: "STATE", Min: 8}, {Name: "POSITION", Min: 8}, {Name: "WAITING", Min: 8}, {Name: "DEAD", Min: 4},
	})
	for _, r := range routes {
		row := []string{r.Name, string(r.State), fmt.Sprint(r.Position), fmt.Sprint(r.Waiting), fmt.Sprint(r.Dead)}
		if err := stream.Write(output.Item{Value: r, Row: row, Name: r.Name}); err != nil {
			return err
		}
	}
	if len(routes) == 0 {
		a.Say("no routes")
	}
	return stream.Close()
}

func newQueueForgetCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Remove a route with its position and its dead letters",
		Long: `Permanently remove the position and the dead letters of a route that no listener
has. Its waiting events stay in the queue for the other routes, but are never
forwarded to this one: a route of the same name is a new one. The command asks
for confirmation on a terminal, and otherwise requires --yes.`,
		Example:           "  mender-webhooks queue routes forget tickets --store /var/lib/mender-webhooks --yes",
		Args:              cli.Args(1, 1, "a route's name"),
		PreRunE:           queueRules().Check,
		ValidArgsFunction: completeRoutes(a, o),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQueueForget(cmd.Context(), a, o, args[0], yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return cmd
}

func runQueueForget(ctx context.Context, a *cli.App, o *cli.QueueOptions, name string, yes bool) (err error) {
	if err := a.CheckConfirm(yes); err != nil {
		return err
	}
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	routes, err := store.RouteInfos(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(routes, func(r relay.RouteInfo) bool { return r.Name == name })
	switch {
	case i < 0:
		return cli.Hinted(cli.Failf(fault.NotFound, "%q: %w", name, relay.ErrNoRoute), "run `mender-webhooks queue routes %s` for the names", o.Flags())
	case routes[i].State == relay.RouteActive:
		return activeError(name)
	}
	loss := lossOf(routes[i])
	if !yes {
		if err := a.Confirm(ctx, "Permanently forget the route "+name+" of "+o.Place()+", with "+loss+"?"); err != nil {
			return err
		}
	}
	err = store.ForgetRoute(ctx, name)
	if errors.Is(err, relay.ErrRouteActive) {
		return activeError(name)
	}
	if err == nil {
		a.Say("forgot the route %s, with %s", name, loss)
	}
	return err
}

// lossOf describes the events that are lost with a route.
func lossOf(r relay.RouteInfo) string {
	waiting, dead := int(r.Waiting), int(r.Dead) //nolint:gosec // numbers of events
	return cli.Plural(waiting, "waiting event") + " and " + cli.Plural(dead, "dead letter")
}

func activeError(name string) error {
	return cli.Hinted(cli.Failf(fault.Conflict, "%q: %w", name, relay.ErrRouteActive), "remove the route from the listener first, or stop the listener")
}

// completeRoutes completes the names of routes that no listener has.
func completeRoutes(a *cli.App, o *cli.QueueOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp
		if len(given) > 0 {
			return nil, directive
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), cli.CompletionLimit)
		defer cancel()
		store, err := o.Attach(ctx, a.Aside())
		if err != nil {
			return nil, directive
		}
		defer func() { _ = store.Close() }() // there is no one to report it to
		routes, err := store.RouteInfos(ctx)
		if err != nil {
			return nil, directive
		}
		for _, r := range routes {
			if r.State != relay.RouteActive {
				names = append(names, r.Name)
			}
		}
		return names, directive
	}
}
