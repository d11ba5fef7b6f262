package provision

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

func someoneCreates(t *testing.T, s *server, url string) {
	t.Helper()
	_, err := s.client.CreateIntegration(t.Context(), mender.NewIntegration{
		Provider: mender.ProviderWebhook, Credentials: mender.HTTP(url, "0011"), Description: "a",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func someoneDeletes(t *testing.T, s *server) { t.Helper(); s.clear(t) }

// TestSomeoneWasFaster makes another process change the server during apply.
func TestSomeoneWasFaster(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before string
		file   string
		race   func(*testing.T, *server, *racing)
		check  func(*testing.T, *server, error)
	}{
		{
			name: "another process applies the same file", before: fileEmpty, file: fileHook,
			race: func(t *testing.T, s *server, r *racing) {
				r.beforeCreate = func() { someoneCreates(t, s, "https://example.com/a") }
			},
			check: succeeded("https://example.com/a"),
		},
		{
			name: "something else was created", before: fileEmpty, file: fileHook,
			race: func(t *testing.T, s *server, r *racing) {
				r.beforeCreate = func() { someoneCreates(t, s, "https://elsewhere.example/x?token=s3cr3t") }
			},
			check: leftAlone("https://elsewhere.example/x?token=s3cr3t"),
		},
		{
			name: "one was created that would have to be recreated", before: fileEmpty, file: fileRenamed,
			race: func(t *testing.T, s *server, r *racing) {
				r.beforeCreate = func() { someoneCreates(t, s, "https://example.com/a") }
			},
			check: leftAlone("https://example.com/a"),
		},
		{
			name: "the answer to the second half of a recreation is lost", before: fileHook, file: fileRenamed,
			race: func(_ *testing.T, _ *server, r *racing) {
				r.afterCreate = func(string, error) (string, error) { return "", &lostAnswerError{} }
			},
			check: succeeded("https://example.com/a"),
		},
		{
			name: "it was deleted before its credentials were changed", before: fileHook, file: fileMoved,
			race: func(t *testing.T, s *server, r *racing) {
				r.beforeReplace = func() { someoneDeletes(t, s) }
			},
			check: succeeded("https://example.com/b"),
		},
		{
			name: "it was replaced by something else before its credentials were changed", before: fileHook, file: fileMoved,
			race: func(t *testing.T, s *server, r *racing) {
				r.beforeReplace = func() { someoneDeletes(t, s); someoneCreates(t, s, "https://elsewhere.example/") }
			},
			check: leftAlone("https://elsewhere.example/"),
		},
		{
			name: "it was pruned by someone else", before: fileHook, file: fileEmpty,
			race: func(t *testing.T, s *server, r *racing) {
				r.afterDelete = func(error) error { return mender.ErrNotFound }
			},
			check: func(t *testing.T, s *server, err error) {
				t.Helper()
				if err != nil || len(s.integrations(t)) != 0 {
					t.Errorf("%v, %v", err, s.integrations(t))
				}
			},
		},
		{
			name: "the one to be recreated was deleted", before: fileHook, file: fileRenamed,
			race: func(t *testing.T, s *server, r *racing) {
				r.afterDelete = func(error) error { return mender.ErrNotFound }
			},
			check: succeeded("https://example.com/a"),
		},
		{
			name: "the server keeps changing", before: fileEmpty, file: fileHook,
			race: func(t *testing.T, s *server, r *racing) {
				var conflict func(string, error) (string, error)
				conflict = func(string, error) (string, error) {
					someoneDeletes(t, s)
					r.afterCreate = conflict
					return "", mender.ErrConflict
				}
				r.afterCreate = conflict
			},
			check: func(t *testing.T, _ *server, err error) {
				t.Helper()
				if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "gave up after 3 attempts") {
					t.Errorf("got %v, want a conflict that reports the attempts", err)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, sandbox.Options{})
			m := newMemory()
			if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, tt.before)); err != nil {
				t.Fatal(err)
			}
			r := &racing{API: s.client}
			p := s.provisioner(r, m)
			plan, err := p.Plan(t.Context(), mustRead(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			tt.race(t, s, r)
			_, err = p.Apply(t.Context(), plan)
			tt.check(t, s, err)
		})
	}
}

func succeeded(url string) func(*testing.T, *server, error) {
	return func(t *testing.T, s *server, err error) {
		t.Helper()
		all := s.integrations(t)
		if err != nil || len(all) != 1 || all[0].Credentials.HTTP.URL != url {
			t.Errorf("%v; the server has %+v", err, all)
		}
	}
}

func leftAlone(url string) func(*testing.T, *server, error) {
	return func(t *testing.T, s *server, err error) {
		t.Helper()
		all := s.integrations(t)
		if fault.KindOf(err) != fault.Conflict || len(all) != 1 || all[0].Credentials.HTTP.URL != url {
			t.Fatalf("%v; the server has %+v", err, all)
		}
		if text := err.Error(); !strings.Contains(text, all[0].ID) || strings.Contains(text, "s3cr3t") {
			t.Errorf("it does not say what is there, or too much: %s", text)
		}
	}
}

// TestRecreateFails makes the second half of a recreation fail.
func TestRecreateFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		forget bool // the machine has forgotten the secret
		before string
		file   string
		api    func(*testing.T, *server) API
		says   []string
		now    string // URL or provider of the integration afterwards
	}{
		{
			name: "put back", before: fileHook, file: fileRenamed, now: "https://example.com/a",
			api:  func(_ *testing.T, s *server) API { return &refusing{API: s.client, times: 1} },
			says: []string{"was deleted, but its replacement could not be created: refused", "it was restored, with the new id"},
		},
		{
			name: "put back, with a generated secret", before: fileGenerate, file: fileRenamed, now: "https://example.com/a",
			api:  func(_ *testing.T, s *server) API { return &refusing{API: s.client, times: 1} },
			says: []string{"it was restored"},
		},
		{
			name: "put back unsigned", before: fileUnsigned, file: fileOpenRenamed, now: "https://example.com/a",
			api:  func(_ *testing.T, s *server) API { return &refusing{API: s.client, times: 1} },
			says: []string{"it was restored"},
		},
		{
			name: "secret not known", forget: true, before: fileHook, file: fileRenamed,
			api:  func(_ *testing.T, s *server) API { return &refusing{API: s.client, times: 1} },
			says: []string{"its secret is not known on this machine", "there is no integration now"},
		},
		{
			name: "putting back fails too", before: fileHook, file: fileRenamed,
			api:  func(_ *testing.T, s *server) API { return &refusing{API: s.client, times: 2} },
			says: []string{"it could not be restored: refused", "there is no integration now"},
		},
		{
			name: "someone took the place", before: fileHook, file: fileRenamed, now: "https://elsewhere.example/",
			api: func(t *testing.T, s *server) API {
				return &racing{API: s.client, beforeCreate: func() { someoneCreates(t, s, "https://elsewhere.example/") }}
			},
			says: []string{"could not be restored", "there is now webhook ", "to elsewhere.example"},
		},
		{
			name: "nothing can be told", before: fileHook, file: fileRenamed,
			api: func(t *testing.T, s *server) API {
				return &refusing{API: s.client, times: 2, lists: true}
			},
			says: []string{"the current state of the server is unknown: refused"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, sandbox.Options{})
			m := newMemory()
			if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, tt.before)); err != nil {
				t.Fatal(err)
			}
			old := s.integrations(t)[0]
			if tt.forget {
				m = newMemory()
			}
			f := mustRead(t, tt.file)
			_, err := apply(t.Context(), s.provisioner(tt.api(t, s), m), f)
			var failed *recreateError
			if !errors.As(err, &failed) {
				t.Fatalf("%v, want a *recreateError", err)
			}
			for _, want := range append(tt.says, old.ID) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			all := s.integrations(t)
			switch {
			case tt.now == "" && len(all) != 0, tt.now != "" && (len(all) != 1 || all[0].Credentials.HTTP.URL != tt.now):
				t.Errorf("the server has %+v", all)
			case failed.Restored != "" && (all[0].ID != failed.Restored || all[0].Description != old.Description):
				t.Errorf("put back: %+v, was %+v", all[0], old)
			case failed.Restored != "":
				plan, err := s.provisioner(s.client, m).Plan(t.Context(), mustRead(t, tt.before))
				if err != nil || plan.Changes {
					t.Errorf("what was put back is not as before: %v, %+v", err, plan)
				}
			}
			if len(all) == 0 {
				converges(t, s, m, f, tt.name)
			}
		})
	}
}

// refusing is an API that refuses to create a given number of times, and then to
// list if lists is set.
type refusing struct {
	API
	times int
	lists bool
	gone  bool
}

func (r *refusing) CreateIntegration(ctx context.Context, n mender.NewIntegration) (string, error) {
	if r.times--; r.times >= 0 {
		r.gone = true
		return "", errRefused
	}
	return r.API.CreateIntegration(ctx, n)
}

func (r *refusing) Integrations(ctx context.Context) ([]mender.Integration, error) {
	if r.lists && r.gone {
		return nil, errRefused
	}
	return r.API.Integrations(ctx)
}

// TestNothingWithoutLeave checks that a recreation without permission is refused
// before anything is sent.
func TestNothingWithoutLeave(t *testing.T) {
	t.Parallel()
	s := newServer(t, sandbox.Options{})
	m := newMemory()
	if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, fileHook)); err != nil {
		t.Fatal(err)
	}
	before := s.integrations(t)[0].ID
	r := &racing{API: s.client}
	p := New(Options{API: r, Secrets: m, Claims: s.claims})
	if _, err := apply(t.Context(), p, mustRead(t, fileRenamed)); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("%v, want ErrNotAllowed", err)
	}
	if r.deletes+r.creates != 0 || s.integrations(t)[0].ID != before {
		t.Error("something was changed")
	}
}

// TestSecretIsStoredFirst checks that a generated secret is stored before the server
// receives it. Otherwise it would be lost if the process ended then.
func TestSecretIsStoredFirst(t *testing.T) {
	t.Parallel()
	s := newServer(t, sandbox.Options{})
	m := newMemory()
	api := &racing{API: s.client}
	kept := 0
	check := func() { kept += len(m.secrets) }
	for _, file := range []string{fileGenerate, strings.Replace(fileGenerate, "/a", "/b", 1), strings.Replace(fileGenerate, "description: c", "description: d", 1)} {
		api.beforeCreate, api.beforeReplace = check, check
		before := kept
		if _, err := apply(t.Context(), s.provisioner(api, m), mustRead(t, file)); err != nil {
			t.Fatal(err)
		}
		if kept == before {
			t.Errorf("nothing was kept before the server got the secret of %s", file)
		}
	}
}
