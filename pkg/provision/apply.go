package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

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

// Apply carries out a plan. It returns the plan with what was done, also
// beside an error: the API's, those of Secrets, ErrNotAllowed, *RaceError,
// *RecreateError or *KeepError. Where the server changed meanwhile it looks
// again, and goes on with what the file asks for only where that takes away
// nothing that the plan did not speak of.
func (p *Provisioner) Apply(ctx context.Context, plan *Plan) (*Plan, error) {
	done := *plan
	done.Steps = slices.Clone(plan.Steps)
	for _, s := range done.Steps {
		if s.Action == Recreate && !p.o.AllowRecreate {
			return &done, ErrNotAllowed
		}
	}
	for i := range done.Steps {
		if err := p.run(ctx, plan.file, &done.Steps[i]); err != nil {
			return &done, err
		}
	}
	return &done, nil
}

// run executes a step; after an answer that does not fit what was there, it
// looks again.
func (p *Provisioner) run(ctx context.Context, f *File, s *Step) error {
	for range looks {
		err := p.execute(ctx, s)
		if err == nil {
			s.Done = s.Action != Nothing
			if s.Done && p.o.Progress != nil {
				p.o.Progress(*s)
			}
			return nil
		}
		if !raced(s.Action, err) {
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
		// What differs in an unknown secret alone is the same entry's: of this
		// run, or of another that applies the same file.
		return !slices.ContainsFunc(next.Changes, func(c Change) bool {
			return c.Field != secretField(next.Provider) || c.From == secretSet
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
