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

// looks is how often a step is planned anew because the server changed
// meanwhile.
const looks = 3

// ErrNotAllowed says that a plan has a Recreate, which Options.AllowRecreate
// does not let pass; nothing was changed.
var ErrNotAllowed = errors.New("an integration would have to be deleted and created again")

// RaceError says that the server changed between the plan and its execution,
// and has something now that the plan did not speak of. It was left alone.
type RaceError struct {
	// Now is what the server has.
	Now []mender.Integration
	// Err is the answer that gave it away.
	Err error
}

// Error says what is there now.
func (e *RaceError) Error() string {
	return fmt.Sprintf("the server changed meanwhile, and was left as it is: %s: %v", there(e.Now), e.Err)
}

// Unwrap returns the server's answer.
func (e *RaceError) Unwrap() error { return e.Err }

// Apply executes a plan. It returns the plan with what was done, also beside
// an error: the API's, those of Secrets, ErrNotAllowed, *RaceError,
// *RecreateError or *KeepError. If the server changed in the meantime it looks
// again, and goes on with what the file asks for only if that takes away
// nothing that the plan did not mention.
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

// ready refuses what would fail halfway, before anything is sent.
func (p *Provisioner) ready(ctx context.Context, plan *Plan) error {
	changes := false
	for _, s := range plan.Steps {
		switch {
		case s.Action == Recreate && !p.o.AllowRecreate:
			return ErrNotAllowed
		case s.Action == Delete:
			if _, err := p.o.Secrets.Stored(ctx, s.ID); err != nil {
				return fault.WithHint(fmt.Errorf("nothing was deleted: %w", err), "--no-store leaves the secrets kept on this machine alone")
			}
		case s.Action != Nothing:
			changes = true
		}
	}
	if !changes || plan.file == nil { // a single step stores the secret first
		return nil
	}
	if err := p.o.Secrets.Check(ctx); err != nil && ctx.Err() == nil {
		return unsent(&Step{}, err)
	}
	return ctx.Err()
}

// run executes a step; after an answer that does not fit what was there, it
// looks again, if the plan came from a file.
func (p *Provisioner) run(ctx context.Context, f *File, s *Step) error {
	for range looks {
		err := p.execute(ctx, s)
		var keep *KeepError
		if err == nil || errors.As(err, &keep) {
			s.Done = s.Action != Nothing
			if s.Done && p.o.Progress != nil {
				p.o.Progress(*s)
			}
			return err
		}
		if f == nil || !raced(s.Action, err) {
			return err
		}
		if ctx.Err() != nil { // interrupted with the outcome open: find out, and finish
			var cancel context.CancelFunc
			ctx, cancel = finishing(ctx)
			defer cancel()
		}
		again, planErr := p.Plan(ctx, f)
		if planErr != nil {
			return fmt.Errorf("%w; and looking again failed: %w", err, planErr)
		}
		next := again.stepOf(s.entry)
		if next.Action == Create && errors.Is(err, mender.ErrOutcomeUnknown) {
			return err // not there, but it may still arrive
		}
		if !harmless(next) {
			return &RaceError{Now: again.there(), Err: err}
		}
		*s = next
	}
	return &RaceError{Err: errors.New("it changes all the time")}
}

// raced reports whether an error says that the server is not as it was when
// the plan was made, or may not be.
func raced(a Action, err error) bool {
	switch a {
	case Create:
		return errors.Is(err, mender.ErrConflict) || errors.Is(err, mender.ErrOutcomeUnknown)
	case ChangeCredentials:
		return errors.Is(err, mender.ErrNotFound)
	}
	return false
}

// harmless reports whether a new step for an entry takes away nothing that
// nobody has agreed to.
func harmless(next Step) bool {
	switch next.Action {
	case Nothing, Create:
		return true
	case ChangeCredentials:
		// If only an unknown secret differs it is the same entry's: of this run,
		// or of another that applies the same file.
		return !slices.ContainsFunc(next.Changes, func(c Change) bool {
			return c.Field != secretField || c.From == secretSet
		})
	}
	return false
}

// stepOf finds the step of an entry.
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

// there says what the server has, in words that hold no secret.
func there(all []mender.Integration) string {
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
