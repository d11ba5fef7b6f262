package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// stopping is an API whose process ends with its n-th call, counted from 1: either
// right before it, or after the server has carried it out but before the answer
// arrives. Zero means never.
type stopping struct {
	API
	at     int
	before bool
	calls  int
}

type stopped struct{}

func (s *stopping) call(do func()) {
	s.calls++
	if s.calls != s.at {
		do()
		return
	}
	if !s.before {
		do()
	}
	panic(stopped{})
}

func (s *stopping) Integrations(ctx context.Context) (all []mender.Integration, err error) {
	s.call(func() { all, err = s.API.Integrations(ctx) })
	return all, err
}

func (s *stopping) CreateIntegration(ctx context.Context, n mender.NewIntegration) (id string, err error) {
	s.call(func() { id, err = s.API.CreateIntegration(ctx, n) })
	return id, err
}

func (s *stopping) ReplaceCredentials(ctx context.Context, id string, c mender.Credentials) (err error) {
	s.call(func() { err = s.API.ReplaceCredentials(ctx, id, c) })
	return err
}

func (s *stopping) DeleteIntegration(ctx context.Context, id string) (err error) {
	s.call(func() { err = s.API.DeleteIntegration(ctx, id) })
	return err
}

// apply plans and applies, and reports whether the process was stopped.
func apply(ctx context.Context, p *Provisioner, f *File) (ended bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopped); !ok {
				panic(r)
			}
			ended = true
		}
	}()
	plan, err := p.Plan(ctx, f)
	if err != nil {
		return false, err
	}
	_, err = p.Apply(ctx, plan)
	return false, err
}

// TestStoppedAfterAnyCall ends the process with each of its calls and runs apply
// again. The server must match the file then, from every state to every other.
func TestStoppedAfterAnyCall(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"empty": fileEmpty, "hook": fileHook, "moved": fileMoved, "renamed": fileRenamed, "generate": fileGenerate,
		"unsigned": fileUnsigned, "stored": fileStored, "stored, renamed": fileStoredRenamed,
	}
	for _, from := range []string{"empty", "hook", "generate"} {
		text := files[from]
		for to, next := range files {
			if strings.HasPrefix(to, "stored") != (from == "generate") {
				continue // a stored secret comes from the store; the others take the same path
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, sandbox.Options{})
				f := mustRead(t, next)
				for at := 1; ; at++ {
					ends := 0
					for _, before := range []bool{true, false} {
						s.clear(t)
						m := newMemory()
						if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, text)); err != nil {
							t.Fatal(err)
						}
						kept := m.clone()
						ended, err := apply(t.Context(), s.provisioner(&stopping{API: s.client, at: at, before: before}, m), f)
						if err != nil {
							t.Fatal(err)
						}
						if ended {
							ends++
						}
						when := fmt.Sprintf("stopped at call %d (before: %v)", at, before)
						converges(t, s, m, f, when)
						if f.URLs() != nil && f.entries[0].secret.kind == stored && !maps.Equal(values(m.secrets), values(kept.secrets)) {
							t.Errorf("%s: the stored secret is another one now", when)
						}
					}
					if ends == 0 {
						break
					}
				}
			})
		}
	}
}

// values returns the values of a map.
func values(m map[string]webhook.Secret) map[webhook.Secret]bool {
	set := map[webhook.Secret]bool{}
	for _, v := range m {
		set[v] = true
	}
	return set
}

// converges applies a file, and then checks that the plan is empty, that there is
// no more than one integration, and that its secret is the stored one.
func converges(t *testing.T, s *server, m *memory, f *File, when string) {
	t.Helper()
	p := s.provisioner(s.client, m)
	if _, err := apply(t.Context(), p, f); err != nil {
		t.Fatalf("%s: apply again: %v", when, err)
	}
	plan, err := p.Plan(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Changes {
		t.Errorf("%s: after applying again there is still something to do: %+v", when, plan.Steps)
	}
	all := s.integrations(t)
	if len(all) != len(f.entries) {
		t.Fatalf("%s: there are %d integrations for %d in the file", when, len(all), len(f.entries))
	}
	if _, left := m.secrets[secret.Unconfirmed]; left {
		t.Errorf("%s: a secret is left under %s", when, secret.Unconfirmed)
	}
	for id := range m.applied {
		if len(all) == 0 || all[0].ID != id {
			t.Errorf("%s: a fingerprint is left for %s", when, id)
		}
	}
	if len(all) == 1 && f.entries[0].secret.kind == generate && m.secrets[all[0].ID].IsZero() {
		t.Errorf("%s: the generated secret is kept nowhere", when)
	}
}

// TestHalfAnsweredPost loses the answer of a request that the server carries out.
// apply must check the server instead of creating twice, and finish in one run.
func TestHalfAnsweredPost(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"hook": fileHook, "generate": fileGenerate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, sandbox.Options{})
			m := newMemory()
			api := &racing{API: s.client}
			api.afterCreate = func(string, error) (string, error) {
				return "", &lostAnswerError{}
			}
			f := mustRead(t, text)
			if _, err := apply(t.Context(), s.provisioner(api, m), f); err != nil {
				t.Fatal(err)
			}
			if api.creates != 1 {
				t.Errorf("%d POSTs were sent", api.creates)
			}
			converges(t, s, m, f, "an answer was lost")
		})
	}
}

// lostAnswerError is the client's error for an answer that was lost.
type lostAnswerError struct{}

func (*lostAnswerError) Error() string        { return "the integration may have been created all the same" }
func (*lostAnswerError) Is(target error) bool { return target == mender.ErrOutcomeUnknown }

// racing is an API that others use at the same time.
type racing struct {
	API
	creates, deletes          int
	beforeCreate              func()
	afterCreate               func(string, error) (string, error)
	beforeReplace, beforeList func()
	afterDelete               func(error) error
}

func (r *racing) Integrations(ctx context.Context) ([]mender.Integration, error) {
	once(&r.beforeList)
	return r.API.Integrations(ctx)
}

func (r *racing) CreateIntegration(ctx context.Context, n mender.NewIntegration) (string, error) {
	r.creates++
	once(&r.beforeCreate)
	id, err := r.API.CreateIntegration(ctx, n)
	if after := r.afterCreate; after != nil {
		r.afterCreate = nil
		return after(id, err)
	}
	return id, err
}

func (r *racing) ReplaceCredentials(ctx context.Context, id string, c mender.Credentials) error {
	once(&r.beforeReplace)
	return r.API.ReplaceCredentials(ctx, id, c)
}

func (r *racing) DeleteIntegration(ctx context.Context, id string) error {
	r.deletes++
	err := r.API.DeleteIntegration(ctx, id)
	if r.afterDelete != nil {
		err = r.afterDelete(err)
	}
	return err
}

func once(do *func()) {
	if f := *do; f != nil {
		*do = nil
		f()
	}
}

var errRefused = errors.New("refused")
