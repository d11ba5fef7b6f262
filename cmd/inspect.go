package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func newInspectCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [ID]",
		Short: "Show one integration, and how its deliveries go",
		Long: `Show one integration with its settings, and how its deliveries went in the
last day as far as Mender's log tells: deliveries that ran into the server's
10 seconds never get there.

ID is an id, the beginning of one, or the webhook's URL; without it the
organization's only webhook is meant. -o json prints what the API says of the
integration, and nothing else.`,
		Example:           "  mender-webhooks inspect\n  mender-webhooks inspect 3bb0e41e -o json\n  mender-webhooks inspect --jq .credentials.http.url",
		Args:              args(0, 1, "at most one id"),
		ValidArgsFunction: a.completeIntegrations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), a, firstOf(args))
		},
	}
}

func runInspect(ctx context.Context, a *app, arg string) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	i, err := findIntegration(ctx, client, arg)
	if err != nil {
		return err
	}
	view := output.View{Value: i, Names: []string{i.ID}}
	if p.Format() == output.Table {
		rows := integrationRows(i)
		c, stats, err := recentDeliveries(ctx, client, i.ID)
		if err != nil {
			return err
		}
		view.Fields = details(append(rows, healthRows(c, stats)...))
	}
	return p.Print(view)
}

func integrationRows(i mender.Integration) [][2]string {
	rows := [][2]string{
		{"ID", i.ID},
		{"Provider", string(i.Provider)},
		{"Target", target(i)},
		{"Secret", secretState(i)},
	}
	if i.Credentials.AWS != nil {
		rows = append(rows, [2]string{"Access key", i.Credentials.AWS.AccessKeyID}, [2]string{"Device policy", i.Credentials.AWS.DevicePolicyName})
	}
	if len(i.Scopes) > 0 {
		rows = append(rows, [2]string{"Scopes", strings.Join(i.Scopes, ", ")})
	}
	return append(rows, [2]string{"Description", i.Description})
}

// recentDeliveries reads the log of the last day, by the server's clock.
func recentDeliveries(ctx context.Context, client *mender.Client, id string) (*mender.StatsCollector, mender.Stats, error) {
	now, err := client.ServerTime(ctx)
	if err != nil {
		return nil, mender.Stats{}, err
	}
	c := &mender.StatsCollector{IntegrationID: id}
	q := mender.EventQuery{IntegrationID: id, Since: now.Add(-24 * time.Hour), PageSize: mender.MaxPageSize}
	for e, err := range client.Events(ctx, q) {
		if err != nil {
			return nil, mender.Stats{}, err
		}
		c.Add(&e)
	}
	return c, c.Stats(q.Since, now), nil
}

// healthRows are the short form of `activity --stats`.
func healthRows(c *mender.StatsCollector, s mender.Stats) [][2]string {
	if s.SuccessRate == nil {
		return [][2]string{{"Last day", "no deliveries in the log"}}
	}
	rows := [][2]string{
		{"Last day", fmt.Sprintf("%s, %s successful", deliveries(s.Deliveries), percent(*s.SuccessRate))},
		{"Last event", fmt.Sprintf("%s, %s", output.Time(c.Last.Time, false), c.Last.Type)},
	}
	if c.LastFailure != nil {
		rows = append(rows, [2]string{"Last failure", fmt.Sprintf("%s: %s", output.Time(c.LastFailure.Time, false), failureText(c.Failure))})
	}
	return rows
}

// deliveries is "1 delivery", "2 deliveries".
func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// failureText is the server's word on a failed delivery, without the tokens
// that may stand in its URL.
func failureText(d mender.DeliveryStatus) string {
	if d.Error != "" {
		return output.MaskText(d.Error)
	}
	if d.StatusCode != 0 {
		return fmt.Sprintf("status %d", d.StatusCode)
	}
	return "no reason given"
}
