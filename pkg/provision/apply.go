package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
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

func (p *Provisioner) execute(ctx context.Context, s *Step) error {
	switch s.Action {
	case Create:
		return p.create(ctx, s)
	case ChangeCredentials:
		return p.change(ctx, s)
	case Recreate:
		return p.recreate(ctx, s)
	case Delete:
		return p.remove(ctx, s)
	}
	return nil
}

// create makes sure that the secret is kept before the server has it.
func (p *Provisioner) create(ctx context.Context, s *Step) error {
	if err := p.prepare(ctx, s, Pending); err != nil {
		return err
	}
	id, err := p.o.API.CreateIntegration(ctx, s.entry.integration(s.secret.value))
	if err != nil {
		return err
	}
	s.NewID = id
	return p.settle(ctx, s, id)
}

func (e entry) integration(secret string) mender.NewIntegration {
	n := mender.NewIntegration{Provider: e.provider, Credentials: e.credentials(secret)}
	if e.description != nil {
		n.Description = *e.description
	}
	if e.scopes != nil {
		n.Scopes = *e.scopes
	}
	return n
}

func (p *Provisioner) change(ctx context.Context, s *Step) error {
	if err := p.prepare(ctx, s, s.ID); err != nil {
		return err
	}
	if err := p.o.API.ReplaceCredentials(ctx, s.ID, s.entry.credentials(s.secret.value)); err != nil {
		return err
	}
	return p.settle(ctx, s, s.ID)
}

// remove is done, too, where somebody else was faster.
func (p *Provisioner) remove(ctx context.Context, s *Step) error {
	if err := p.o.Secrets.ForgetApplied(ctx, s.ID); err != nil {
		return err
	}
	if err := p.o.API.DeleteIntegration(ctx, s.ID); err != nil && !errors.Is(err, mender.ErrNotFound) {
		return err
	}
	if err := p.o.Secrets.Forget(ctx, s.ID); err != nil {
		return &KeepError{ID: s.ID, Err: err}
	}
	return nil
}

// prepare readies this machine for new credentials: what was applied before
// counts no longer, and a secret that only this machine knows is kept under
// the name.
func (p *Provisioner) prepare(ctx context.Context, s *Step, name string) error {
	if s.ID != "" {
		if err := p.o.Secrets.ForgetApplied(ctx, s.ID); err != nil {
			return err
		}
	}
	kind := s.entry.secret.kind
	if kind != stored && kind != generate {
		return nil
	}
	if s.secret.generate {
		s.secret.value, s.secret.generate = webhook.GenerateSecret().Hex(), false
	}
	return p.keepWebhook(ctx, name, s.secret.value, kind == generate)
}

// KeepError says that the server has taken everything, but this machine could
// not keep what it should: the next plan may say that a secret is unknown.
type KeepError struct {
	// ID is the integration's.
	ID  string
	Err error
}

// Error says what went wrong on this machine alone.
func (e *KeepError) Error() string {
	return fmt.Sprintf("integration %s was changed on the server, but this machine could not keep what it has to know of it: %v", e.ID, e.Err)
}

// Unwrap returns the store's error.
func (e *KeepError) Unwrap() error { return e.Err }

// settle keeps on this machine what the server has taken. A secret stored for
// the webhook is brought up to date, since a receiver here reads it.
func (p *Provisioner) settle(ctx context.Context, s *Step, id string) error {
	if err := p.keep(ctx, s, id); err != nil {
		return &KeepError{ID: id, Err: err}
	}
	return nil
}

func (p *Provisioner) keep(ctx context.Context, s *Step, id string) error {
	ctx = context.WithoutCancel(ctx) // the server has it; so must we
	kept, err := p.o.Secrets.Stored(ctx, id)
	if err == nil && kept.IsZero() && s.ID != "" {
		kept, err = p.o.Secrets.Stored(ctx, s.ID) // its predecessor's
	}
	if err != nil {
		return err
	}
	kind := s.entry.secret.kind
	ours := kind == stored || kind == generate
	switch {
	case kind == none && !kept.IsZero():
		err = p.o.Secrets.Forget(ctx, id)
	case s.Provider == mender.ProviderWebhook && (ours || !kept.IsZero()):
		err = p.keepWebhook(ctx, id, s.secret.value, kind == generate)
	}
	if err == nil && ours {
		err = p.o.Secrets.Forget(ctx, Pending)
	}
	if err == nil && s.ID != "" && s.ID != id {
		err = p.o.Secrets.Forget(ctx, s.ID)
	}
	if err == nil && kind != none {
		err = p.o.Secrets.SetApplied(ctx, id, Applied(s.Provider, s.secret.value))
	}
	return err
}

// keepWebhook keeps a secret that is not kept already.
func (p *Provisioner) keepWebhook(ctx context.Context, id, text string, generated bool) error {
	secret, err := webhook.ParseSecret(text)
	if err != nil {
		return err
	}
	if kept, err := p.o.Secrets.Stored(ctx, id); err != nil || kept == secret {
		return err
	}
	return p.o.Secrets.Keep(ctx, id, secret, generated)
}
