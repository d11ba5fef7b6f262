package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type redeliverOptions struct {
	activityOptions
	to     string
	store  string
	dryRun bool
	secret secretFlags
}

func newRedeliverCmd(a *app) *cobra.Command {
	o := redeliverOptions{}
	cmd := &cobra.Command{
		Use:   "redeliver (EVENT-ID... | --failed [--since AGE])",
		Short: "Send events again, from Mender's log or from listen's store",
		Long: `Send events again: those that are named, or those in Mender's log that failed.

From the log an event can only be rebuilt: its id, type and data are the same,
its bytes are not (the log has its own time, and sorts the keys). It is signed
anew with the webhook's secret, and marked with the header
` + headerRebuilt + `. From listen's store (--store DIR) the stored bytes are sent,
exactly, with the signature they came with.

Without --to it goes where the webhook's URL points. A receiver that had the
event already says so, and that is no failure. Exit code 1 means that one was
not delivered.`,
		Example: `  mender-webhooks redeliver --failed --since 2h --secret-file hook.secret
  mender-webhooks redeliver 48919a10 --to http://localhost:3000/hook --secret-file hook.secret
  mender-webhooks redeliver --failed --since 1d --dry-run
  mender-webhooks redeliver 48919a10-2fbd-4ab4-8420-e2cb959938a4 --store /var/lib/mender-webhooks --to http://localhost:3000/hook`,
		Args: args(0, -1, "events' ids"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRedeliver(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.failed, "failed", false, "events in Mender's log of which a delivery failed")
	f.StringVar(&o.since, "since", "", "with --failed: since an `AGE` (2h, 7d; by the server's clock) or a time in RFC 3339")
	f.StringVar(&o.until, "until", "", "with --failed: until an `AGE` or a time")
	f.StringSliceVar(&o.types, "type", nil, "with --failed: events of a `TYPE` alone (repeatable)")
	f.StringVar(&o.device, "device", "", "with --failed: events of one device, by `ID`")
	f.StringVar(&o.store, "store", "", "send what listen stored in this `DIR`, byte for byte")
	f.StringVar(&o.to, "to", "", "send to this `URL` (default: the webhook's own)")
	o.secret.register(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be sent, and send nothing")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(stringsOf(webhook.EventTypes()), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o redeliverOptions) checkRedeliver(ids []string) error {
	switch {
	case len(ids) == 0 && !o.failed:
		return hinted(usagef("redeliver needs events' ids, or --failed"), "`mender-webhooks activity --failed` shows which ones failed")
	case len(ids) > 0 && o.failed:
		return usagef("give events' ids or --failed, not both")
	case o.store != "" && o.failed:
		return hinted(usagef("--failed is for Mender's log"), "for the store's dead letters there is `mender-webhooks queue retry --all`")
	case o.store != "" && o.to == "":
		return usagef("with --store, say --to URL")
	case o.to != "":
		if err := checkURL("--to", o.to); err != nil {
			return err
		}
	}
	o.limit = 1
	return o.check()
}

// again is an event to send again: its id and the request for it.
type again struct {
	id, typ string
	header  http.Header // beside what every delivery has
	body    []byte
	secret  webhook.Secret // zero: the header has the signature already
}

func runRedeliver(ctx context.Context, a *app, o redeliverOptions, ids []string) (err error) {
	p, err := a.open(output.Table, false, output.Table, output.JSON, output.JSONL, output.YAML, output.Name)
	if err != nil {
		return err
	}
	if err := o.checkRedeliver(ids); err != nil {
		return err
	}
	set, err := a.settings()
	if err != nil {
		return err
	}
	var events iter.Seq2[again, error]
	if o.store != "" {
		store, err := (&queueOptions{store: o.store}).attach(ctx, a)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		events = fromStore(ctx, store, ids)
	} else if events, err = o.fromLog(ctx, a, ids); err != nil {
		return err
	}
	url, err := o.target(ctx, a)
	if err != nil {
		return err
	}
	sender := webhook.NewSender(webhook.SenderOptions{
		TLSConfig: &tls.Config{InsecureSkipVerify: set.SkipVerify, MinVersion: tls.VersionTLS12}, //nolint:gosec // --skip-verify asks for it
	})
	defer sender.Close()
	return o.send(ctx, a, p, sender, url, events)
}

// target is --to, else the webhook's own URL.
func (o redeliverOptions) target(ctx context.Context, a *app) (string, error) {
	if o.to != "" {
		return o.to, nil
	}
	client, err := a.connect()
	if err != nil {
		return "", err
	}
	i, err := findIntegration(ctx, client, "")
	if err != nil {
		return "", hinted(err, "say where to send with --to URL")
	}
	return i.Credentials.HTTP.URL, nil
}

// fromStore takes events as they were stored.
func fromStore(ctx context.Context, store *relay.Store, ids []string) iter.Seq2[again, error] {
	return func(yield func(again, error) bool) {
		for _, id := range ids {
			e, err := store.Stored(ctx, id)
			if err != nil {
				yield(again{}, queueError(err, id))
				return
			}
			if !yield(again{id: e.ID, typ: e.Type, header: e.Header, body: e.Body}, nil) {
				return
			}
		}
	}
}

// fromLog rebuilds events from Mender's log, oldest first: the order in which
// they happened is what a receiver expects.
func (o redeliverOptions) fromLog(ctx context.Context, a *app, ids []string) (iter.Seq2[again, error], error) {
	client, err := a.connect()
	if err != nil {
		return nil, err
	}
	secret, err := o.secret.one(ctx, a)
	if err != nil {
		return nil, err
	}
	if secret.IsZero() {
		a.warn("no secret is known: what is sent is unsigned")
	}
	chosen, err := o.choose(ctx, a, client, ids)
	if err != nil {
		return nil, err
	}
	a.say("rebuilt from Mender's log: the bytes differ from those that were delivered, and %s says so", headerRebuilt)
	return func(yield func(again, error) bool) {
		for n := len(chosen) - 1; n >= 0; n-- {
			e := chosen[n]
			body, err := rebuild(e)
			if !yield(again{
				id: e.ID, typ: string(e.Type), body: body, secret: secret,
				header: http.Header{headerRebuilt: {rebuiltFrom}},
			}, err) {
				return
			}
		}
	}, nil
}

// choose finds the events that are meant, newest first.
func (o redeliverOptions) choose(ctx context.Context, a *app, client *mender.Client, ids []string) ([]mender.Event, error) {
	var chosen []mender.Event
	if len(ids) > 0 {
		for n := len(ids) - 1; n >= 0; n-- {
			e, err := findEvent(ctx, client, strings.ToLower(ids[n]))
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, e)
		}
		return chosen, nil
	}
	q, err := o.query(ctx, a, client)
	if err != nil {
		return nil, err
	}
	q.PageSize = mender.MaxPageSize
	for e, err := range client.Events(ctx, q.EventQuery) {
		if err != nil {
			return nil, err
		}
		if q.matches(&e) {
			chosen = append(chosen, e.Clone())
		}
	}
	return chosen, nil
}

type redelivery struct {
	ID         string  `json:"id"`
	Type       string  `json:"type"`
	Success    bool    `json:"success"`
	Duplicate  bool    `json:"duplicate"`
	StatusCode int     `json:"status_code,omitempty"`
	Error      string  `json:"error,omitempty"`
	DurationMS float64 `json:"duration_ms"`
	DryRun     bool    `json:"dry_run,omitempty"`
}

// send sends one after the other, so that the order is kept.
func (o redeliverOptions) send(ctx context.Context, a *app, p *output.Printer, sender *webhook.Sender, url string, events iter.Seq2[again, error]) error {
	stream := p.Stream([]output.Column{
		{Name: "ID", Min: 36}, {Name: "EVENT", Min: 22}, {Name: "RESULT", Min: 14, Color: deliveryColor}, {Name: "ERROR", Shrink: true},
	})
	sent, failed, known := 0, 0, 0
	for e, err := range events {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return errors.Join(err, stream.Close())
		}
		r := redelivery{ID: e.id, Type: e.typ, DryRun: o.dryRun}
		if !o.dryRun {
			r = e.deliver(ctx, sender, url)
		}
		sent++
		if !r.Success && !o.dryRun {
			failed++
		}
		if r.Duplicate {
			known++
		}
		if err := stream.Write(output.Item{Value: r, Row: r.row(), Name: r.ID}); err != nil {
			return err
		}
	}
	if err := stream.Close(); err != nil {
		return err
	}
	if o.dryRun {
		a.say("%s would be sent to %s", plural(sent, "event"), output.MaskURL(url))
		return nil
	}
	a.say("%s sent to %s: %d delivered, %d of them known there already, %d failed", plural(sent, "event"), output.MaskURL(url), sent-failed, known, failed)
	if failed > 0 {
		return failf(exitFailed, "%d of %d events were not delivered", failed, sent)
	}
	return nil
}

// deliver makes one attempt. A receiver that has the event already answers
// 409, or says so in a header.
func (e again) deliver(ctx context.Context, sender *webhook.Sender, url string) redelivery {
	r := redelivery{ID: e.id, Type: e.typ}
	req, err := webhook.NewRequest(ctx, url, e.body, e.secret)
	if err != nil {
		r.Error = output.MaskText(err.Error())
		return r
	}
	for name, values := range e.header {
		req.Header[name] = values
	}
	d := sender.Do(req)
	r.StatusCode, r.DurationMS = d.StatusCode, milliseconds(d.Duration)
	r.Duplicate = d.StatusCode == http.StatusConflict || d.Header.Get(headerDuplicate) != ""
	r.Success = d.Success() || r.Duplicate
	if !r.Success {
		r.Error = output.MaskText(d.Err.Error())
	}
	return r
}

func (r redelivery) row() []string {
	result := "failed"
	switch {
	case r.DryRun:
		result = "-"
	case r.Duplicate:
		result = fmt.Sprintf("ok %d, known", r.StatusCode)
	case r.Success:
		result = fmt.Sprintf("ok %d", r.StatusCode)
	case r.StatusCode != 0:
		result = fmt.Sprintf("failed %d", r.StatusCode)
	}
	return []string{r.ID, r.Type, result, r.Error}
}
