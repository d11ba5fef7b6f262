package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// maxLooks limits how often a step is tried, and planned again, because the
// server changed in the meantime.
const maxLooks = 3

// ErrNotAllowed reports that a plan recreates an integration although
// Options.AllowRecreate is not set; nothing was changed.
var ErrNotAllowed = fault.WithHint(fault.Usagef("an integration must be deleted and created again; nothing was changed"),
	"pass --allow-recreate; no events are logged or sent until the new integration exists")

// raceError reports that the server changed between the plan and its execution,
// in a way that the plan does not cover. Nothing was changed.
func raceError(now []mender.Integration, err error) error {
	return fault.WithHint(fault.New(fault.Conflict, "the server changed in the meantime and was left as it is: %s: %w", describe(now), err),
		"check the difference with --dry-run, then run apply again")
}

// Apply executes a plan. It returns a copy with Done set in the completed steps,
// even together with an error: the API's, the store's, ErrNotAllowed or a
// *KeepError. If the server changed in the meantime, Apply plans the step again,
// and continues only if the new step removes nothing that the plan did not
// mention; otherwise the error is a conflict.
func (p *Provisioner) Apply(ctx context.Context, plan *Plan) (*Plan, error) {
	done := *plan
	done.Steps = slices.Clone(plan.Steps)
	if err := p.ready(ctx, plan); err != nil {
		return &done, err
	}
	var unkept error
	for i := range done.Steps {
		err := p.run(ctx, plan.file, &done.Steps[i])
		var keep *KeepError
		if errors.As(err, &keep) {
			unkept = errors.Join(unkept, err)
		} else if err != nil {
			return &done, errors.Join(err, unkept)
		}
	}
	return &done, unkept
}

// ready refuses, before anything is sent, a plan that would fail halfway.
func (p *Provisioner) ready(ctx context.Context, plan *Plan) error {
	changes := false
	for _, s := range plan.Steps {
		switch {
		case s.Action == Recreate && !p.o.AllowRecreate:
			return ErrNotAllowed
		case s.Action == Delete:
			if _, err := p.o.Secrets.Stored(ctx, s.ID); err != nil {
				return fault.WithHint(fmt.Errorf("nothing was deleted: %w", err), "pass --no-store to keep stored secrets unchanged")
			}
		case s.Action != Nothing:
			changes = true
		}
	}
	if !changes || plan.file == nil { // create and update store the secret before they send it
		return nil
	}
	if err := p.o.Secrets.Check(ctx); err != nil && ctx.Err() == nil {
		return unsent(&Step{}, err)
	}
	return ctx.Err()
}

// run executes a step. If the plan came from a file and the server changed in
// the meantime, run plans the step again.
func (p *Provisioner) run(ctx context.Context, f *File, s *Step) error {
	for range maxLooks {
		err := p.execute(ctx, s)
		var keep *KeepError
		if err == nil || errors.As(err, &keep) {
			s.Done = s.Action != Nothing
			if s.Done && p.o.Progress != nil {
				p.o.Progress(*s)
			}
			return err
		}
		if f == nil && s.Action == Create {
			return p.explainConflict(ctx, err)
		}
		if f == nil || !raced(s.Action, err) {
			return err
		}
		if ctx.Err() != nil { // interrupted with an unknown outcome: find out, and finish
			var cancel context.CancelFunc
			ctx, cancel = finishing(ctx)
			defer cancel()
		}
		again, planErr := p.Plan(ctx, f)
		if planErr != nil {
			return fmt.Errorf("%w; reading the server's state again also failed: %w", err, planErr)
		}
		next := again.stepOf(s.entry)
		if next.Action == Create && errors.Is(err, mender.ErrOutcomeUnknown) {
			return fault.WithHint(afterLook(err), "run apply again: the integration does not exist yet, but the server may still process the request")
		}
		if !harmless(next) {
			return raceError(again.there(), err)
		}
		*s = next
	}
	return fault.WithHint(fault.New(fault.Conflict, "gave up after %d attempts: the server kept changing in the meantime", maxLooks),
		"check the difference with --dry-run, then run apply again")
}

// raced reports whether an error means that the server may have changed since
// the plan was made.
func raced(a Action, err error) bool {
	switch a {
	case Create:
		return errors.Is(err, mender.ErrConflict) || errors.Is(err, mender.ErrOutcomeUnknown)
	case ChangeCredentials:
		return errors.Is(err, mender.ErrNotFound)
	}
	return false
}

// harmless reports whether a new step for an entry removes nothing that the
// user did not agree to.
func harmless(next Step) bool {
	switch next.Action {
	case Nothing, Create:
		return true
	case ChangeCredentials:
		// If only the secret differs, and may be the same, treat the integration
		// as this entry's: this run or another run with the same file created it.
		return !slices.ContainsFunc(next.Changes, func(c Change) bool {
			return c.Field != secretField || c.From == secretSet
		})
	}
	return false
}

// stepOf returns the step for an entry.
func (plan *Plan) stepOf(e entry) Step {
	for _, s := range plan.Steps {
		if s.entry.at == e.at && !s.Unmanaged {
			return s
		}
	}
	return Step{}
}

func (plan *Plan) there() []mender.Integration {
	var all []mender.Integration
	for _, s := range plan.Steps {
		if s.there != nil {
			all = append(all, *s.there)
		}
	}
	return all
}

// describe lists integrations without their secrets.
func describe(all []mender.Integration) string {
	if len(all) == 0 {
		return "there is no integration now"
	}
	var texts []string
	for _, i := range all {
		text := string(i.Provider) + " " + i.ID
		if i.Credentials.HTTP != nil {
			if u, err := url.Parse(i.Credentials.HTTP.URL); err == nil && u.Hostname() != "" {
				text += " to " + u.Hostname()
			}
		}
		texts = append(texts, text)
	}
	return "there is now " + strings.Join(texts, ", ")
}
