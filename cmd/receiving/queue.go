package receiving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// NewQueueCmd returns the queue command.
func NewQueueCmd(a *cli.App) *cobra.Command {
	o := &cli.QueueOptions{}
	cmd := &cobra.Command{
		Use:         "queue",
		Annotations: cli.PrintsObject(),
		Short:       "Manage stored events and dead letters",
		Long: `Show the number of waiting events, attempts in flight and dead letters, the
event that has waited longest, and the event that blocks the others, with the
reason.

The queue is the folder of listen --store, whether or not listen is running, or,
with --nats, the stream that listeners share on a cluster.`,
		Example: `  mender-webhooks queue --store /var/lib/mender-webhooks
  mender-webhooks queue list --store /var/lib/mender-webhooks --state dead
  mender-webhooks queue retry 48919a10 --store /var/lib/mender-webhooks`,
		Args:    cli.UnknownCommand,
		PreRunE: queueRules().Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runQueue(cmd.Context(), a, o)
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&o.Store, "store", "", "`DIR` of listen --store")
	o.Nats.Register(f, "instead of --store: the cluster of listen --nats, comma-separated `URLS` of its servers")
	f.BoolVar(&o.Utc, "utc", false, "show times in UTC (default: local time)")
	cmd.AddCommand(newQueueListCmd(a, o), newQueueShowCmd(a, o), newQueueRetryCmd(a, o), newQueueDropCmd(a, o), newQueueRoutesCmd(a, o))
	return cmd
}

// queueRules returns the rules for the flags that all queue commands share.
func queueRules() cli.Rules {
	return cli.Rules{
		Against: map[string][]string{"store": {"nats", "nats-context"}},
		Needs:   cli.NatsNeeds(map[string][]string{}),
	}
}

func runQueue(ctx context.Context, a *cli.App, o *cli.QueueOptions) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	status, err := store.Status(ctx)
	if err != nil {
		return err
	}
	shown := queueStatus{Status: status}
	if status.Oldest != nil {
		oldest := entryOf(*status.Oldest)
		shown.Oldest = &oldest
	}
	return p.Print(output.View{Value: shown, Fields: cli.Details(queueRows(status, o.Utc, a.Now()))})
}

func queueRows(s relay.Status, utc bool, now time.Time) [][2]string {
	inFlight := "unknown: no listener is forwarding"
	if s.Forwarding {
		inFlight = fmt.Sprint(s.InFlight)
	}
	if s.Forwarders > 1 {
		inFlight += fmt.Sprintf(", with %d listeners", s.Forwarders)
	}
	size := cli.ByteSize(s.MaxBytes)
	used := cli.ByteSize(s.Bytes) //nolint:gosec // a size on this machine's disk
	rows := [][2]string{
		{"Waiting", fmt.Sprint(s.Waiting)},
		{"In flight", inFlight},
		{"Dead letters", fmt.Sprint(s.Dead)},
		{"Delivered", fmt.Sprintf("%d, retained for deduplication", s.Kept)},
		{"Space", fmt.Sprintf("%s of %s", used.String(), size.String())},
	}
	if !hasNames(s) {
		rows = append(rows, [2]string{"Forwarding to", s.URL})
	}
	if s.Oldest != nil {
		rows = append(rows, [2]string{"Oldest", fmt.Sprintf("%s %s, waiting for %s", s.Oldest.Type, s.Oldest.ID, output.Duration(now.Sub(s.Oldest.Stored)))})
	}
	if hasNames(s) {
		for _, r := range s.Routes {
			rows = append(rows, [2]string{"Route " + r.Name, routeText(r)})
			rows = append(rows, blockedRows(r.Blocked, utc)...)
		}
		return rows
	}
	return append(rows, blockedRows(s.Blocked, utc)...)
}

func blockedRows(b *relay.Blocked, utc bool) [][2]string {
	if b == nil {
		return nil
	}
	return [][2]string{
		{"Blocked by", fmt.Sprintf("%s after %s: %s", b.ID, cli.Plural(b.Attempts, "attempt"), output.MaskText(b.Reason))},
		{"Next attempt", output.Time(b.Next, utc)},
	}
}

// hasNames reports whether targets have names.
func hasNames(s relay.Status) bool {
	return len(s.Routes) > 1 || len(s.Routes) == 1 && s.Routes[0].Name != relay.DefaultRoute
}

// routeText describes the state of one of several routes.
func routeText(r relay.RouteStatus) string {
	text := fmt.Sprintf("%d waiting, %d dead", r.Waiting, r.Dead)
	if r.URL != "" {
		text = "to " + r.URL + ", " + text
	}
	switch {
	case !r.Forwarding:
		text += ", no listener is forwarding"
	case r.InFlight > 0:
		text += fmt.Sprintf(", %d in flight", r.InFlight)
	}
	return text
}

// queueStatus is relay.Status, with the oldest event in the form in which the
// other queue commands print events.
type queueStatus struct {
	relay.Status
	Oldest *queueEntry `json:"oldest"`
}

// queueEntry is the object that queue prints for an event with -o json.
type queueEntry struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	State    relay.State     `json:"state"`
	Route    string          `json:"route,omitempty"`
	Stored   time.Time       `json:"stored_at"`
	Bytes    int             `json:"bytes"`
	Reason   string          `json:"reason,omitempty"`
	Attempts int             `json:"attempts,omitempty"`
	Died     *time.Time      `json:"died_at,omitempty"`
	Header   json.RawMessage `json:"headers,omitempty"`
	Body     json.RawMessage `json:"event,omitempty"`
}

func entryOf(e relay.Entry) queueEntry {
	entry := queueEntry{
		ID: e.ID, Type: e.Type, State: e.State, Stored: e.Stored, Bytes: len(e.Body),
		Reason: e.Reason, Attempts: e.Attempts, Route: e.Route,
	}
	if !e.Died.IsZero() {
		entry.Died = &e.Died
	}
	return entry
}

func newQueueListCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	state := string(relay.Waiting)
	cmd := &cobra.Command{
		Use:         "list",
		Annotations: cli.PrintsResult(),
		Aliases:     []string{"ls"},
		Short:       "List stored events in one state, oldest first",
		Long:        "List the events that wait for the application, the dead letters, or the\ndelivered events that are retained for deduplication.",
		Example:     "  mender-webhooks queue list --store /var/lib/mender-webhooks --state dead -o name",
		Args:        cli.Args(0, 0, "no arguments"),
		PreRunE:     queueRules().Check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runQueueList(cmd.Context(), a, o, relay.State(state))
		},
	}
	states := []string{string(relay.Waiting), string(relay.Dead), string(relay.Delivered)}
	cmd.Flags().StringVar(&state, "state", state, "`STATE` of the events: waiting, dead or delivered")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runQueueList(ctx context.Context, a *cli.App, o *cli.QueueOptions, state relay.State) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if state != relay.Waiting && state != relay.Dead && state != relay.Delivered {
		return cli.Usagef("invalid --state %q: must be waiting, dead or delivered", state)
	}
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	width := a.TableWidth()
	columns := []output.Column{
		{Name: "STORED", Min: len(cli.ShortTime(output.Time(a.Now(), o.Utc), width))}, {Name: "ID", Min: 36, ID: true}, {Name: "EVENT", Min: 22},
	}
	named := state == relay.Dead && !slices.Equal(store.Routes(), []string{relay.DefaultRoute})
	if named {
		columns = append(columns, output.Column{Name: "ROUTE", Min: 8})
	}
	stream := p.Stream(append(columns, output.Column{Name: "REASON", Whole: true}))
	n := 0
	for e, err := range store.List(ctx, state) {
		if err != nil {
			return errors.Join(err, stream.Close())
		}
		n++
		row := []string{cli.ShortTime(output.Time(e.Stored, o.Utc), width), e.ID, e.Type}
		if named {
			row = append(row, e.Route)
		}
		row = append(row, output.MaskText(e.Reason))
		if err := stream.Write(output.Item{Value: entryOf(e), Row: row, Name: e.ID}); err != nil {
			return err
		}
	}
	if n == 0 {
		a.Say("no %s", map[relay.State]string{
			relay.Waiting: "waiting events", relay.Dead: "dead letters", relay.Delivered: "delivered events",
		}[state])
	}
	return stream.Close()
}

func newQueueShowCmd(a *cli.App, o *cli.QueueOptions) *cobra.Command {
	return &cobra.Command{
		Use:         "show ID",
		Annotations: cli.PrintsResult(),
		Short:       "Show a stored event in full",
		Long:        "Show a stored event in any state, with its payload. A unique prefix of its id is\nenough.",
		Example:     "  mender-webhooks queue show 48919a10 --store /var/lib/mender-webhooks",
		Args:        cli.Args(1, 1, "an event's id"),
		PreRunE:     queueRules().Check,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQueueShow(cmd.Context(), a, o, args[0])
		},
	}
}

func runQueueShow(ctx context.Context, a *cli.App, o *cli.QueueOptions, id string) (err error) {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	store, err := o.Attach(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if id, err = store.ID(ctx, id); err != nil {
		return err
	}
	e, err := store.Show(ctx, id)
	if err != nil {
		return cli.QueueError(err, id)
	}
	entry := entryOf(e)
	if entry.Header, err = json.Marshal(e.Header); err != nil {
		return err
	}
	if json.Valid(e.Body) {
		entry.Body = e.Body
	}
	fields := cli.Details([][2]string{
		{"Event", e.ID}, {"Type", e.Type}, {"State", string(e.State)}, {"Stored", output.Time(e.Stored, o.Utc)},
		{"Reason", output.MaskText(e.Reason)},
	})
	return p.Print(output.View{Value: entry, Names: []string{e.ID}, Fields: append(fields, output.Field{Name: "Payload", JSON: entry.Body})})
}
