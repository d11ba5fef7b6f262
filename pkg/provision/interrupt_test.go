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

// interrupting is an API with a call that is interrupted, before it reaches the
// server or before the answer arrives.
type interrupting struct {
	API
	call   string // "delete", "create" or "replace"
	after  bool   // the server carries out the request
	cancel func()
}

func (i *interrupting) at(ctx context.Context, call string, do func() error) error {
	if call != i.call || ctx.Err() != nil {
		return do()
	}
	i.call = ""
	var err error
	if i.after {
		err = do()
	}
	if i.cancel(); ctx.Err() == nil && !i.after { // the interruption does not end the call
		return do()
	}
	return errors.Join(err, ctx.Err())
}

func (i *interrupting) DeleteIntegration(ctx context.Context, id string) error {
	return i.at(ctx, "delete", func() error { return i.API.DeleteIntegration(ctx, id) })
}

func (i *interrupting) ReplaceCredentials(ctx context.Context, id string, c mender.Credentials) error {
	return i.at(ctx, "replace", func() error { return i.API.ReplaceCredentials(ctx, id, c) })
}

func (i *interrupting) CreateIntegration(ctx context.Context, n mender.NewIntegration) (id string, err error) {
	err = i.at(ctx, "create", func() error { id, err = i.API.CreateIntegration(ctx, n); return err })
	if err != nil {
		id, err = "", errors.Join(err, mender.ErrOutcomeUnknown)
	}
	return id, err
}

// TestInterruptedRecreationLeavesWebhook interrupts "delete and create" in each of
// its calls. There must be a webhook afterwards, the old or the new one, even if
// the old one's secret is unknown.
func TestInterruptedRecreationLeavesWebhook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, call  string
		after, gone bool // gone: the old one is
	}{
		{"before the DELETE", "delete", false, false},
		{"after the DELETE", "delete", true, true},
		{"before the POST", "create", false, true},
		{"after the POST", "create", true, true},
	} {
		for _, known := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				s, m := newServer(t, sandbox.Options{}), newMemory()
				if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, fileHook)); err != nil {
					t.Fatal(err)
				}
				if !known {
					m = newMemory()
				}
				old := s.integrations(t)[0].ID
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f := mustRead(t, fileRenamed)
				_, err := apply(ctx, s.provisioner(&interrupting{API: s.client, call: tt.call, after: tt.after, cancel: cancel}, m), f)
				all := s.integrations(t)
				if len(all) != 1 {
					t.Fatalf("the server has %+v; the error is %v", all, err)
				}
				if gone := all[0].ID != old; gone != tt.gone {
					t.Errorf("the old one is gone: %v, want %v", gone, tt.gone)
				}
				if !tt.gone && (!errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), old+" was still there")) {
					t.Errorf("got %v; want an error that says what is there", err)
				}
				converges(t, s, m, f, tt.name)
			})
		}
	}
}

// TestInterruptedDeleteForgetsSecret interrupts a delete whose answer is lost. The
// webhook's stored secret must be removed too.
func TestInterruptedDeleteForgetsSecret(t *testing.T) {
	t.Parallel()
	s, m := newServer(t, sandbox.Options{}), newMemory()
	if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, fileGenerate)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := apply(ctx, s.provisioner(&interrupting{API: s.client, call: "delete", after: true, cancel: cancel}, m), mustRead(t, fileEmpty))
	if err != nil || len(m.secrets) != 0 || len(s.integrations(t)) != 0 {
		t.Errorf("%v; kept %v; the server has %+v", err, m.secrets, s.integrations(t))
	}
}

// TestFailedRecreationDoesNotContradictItself makes the server fail after the
// delete. The error must keep its cause's kind, and must not ask the user to check
// something that it reports itself.
func TestFailedRecreationDoesNotContradictItself(t *testing.T) {
	t.Parallel()
	s, m := newServer(t, sandbox.Options{}), newMemory()
	if _, err := apply(t.Context(), s.provisioner(s.client, m), mustRead(t, fileHook)); err != nil {
		t.Fatal(err)
	}
	broken := newServer(t, sandbox.Options{FailRate: 1})
	api := &elsewhere{API: s.client, creates: broken.client}
	_, err := apply(t.Context(), s.provisioner(api, newMemory()), mustRead(t, fileRenamed))
	var failed *recreateError
	if !errors.As(err, &failed) || fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("got %v; want a *recreateError of the kind Unavailable", err)
	}
	if text := err.Error(); strings.Contains(text, "look before") || !strings.Contains(text, "there is no integration now") {
		t.Errorf("got %q", text)
	}
}

// elsewhere is an API that creates on another server.
type elsewhere struct {
	API
	creates API
}

func (e *elsewhere) CreateIntegration(ctx context.Context, n mender.NewIntegration) (string, error) {
	return e.creates.CreateIntegration(ctx, n)
}
