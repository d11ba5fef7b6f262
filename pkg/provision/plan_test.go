package provision

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// listing is an API that lists integrations and refuses all changes.
type listing struct {
	API
	all []mender.Integration
}

func (l listing) Integrations(context.Context) ([]mender.Integration, error) { return l.all, nil }

// text returns a plan with one line for each step.
func text(plan *Plan) []string {
	lines := []string{}
	for _, s := range plan.Steps {
		line := string(s.Action) + " " + strings.TrimSpace(string(s.Provider)+" "+s.ID)
		for _, c := range s.Changes {
			line += fmt.Sprintf("; %s: %s -> %s", c.Field, c.From, c.To)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPlan(t *testing.T) {
	t.Parallel()
	hook := mender.Integration{ID: "1", Provider: mender.ProviderWebhook, Description: "a", Credentials: mender.HTTP("https://example.com/a", "<omitted>")}
	open := hook
	open.Credentials = mender.HTTP("https://example.com/a", "")
	pigeon := mender.Integration{ID: "3", Provider: "carrier-pigeon"}
	parse := func(text string) webhook.Secret {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	applied := func(text string) map[string]webhook.Secret { return map[string]webhook.Secret{"1": parse(text)} }
	tests := []struct {
		name    string
		file    string
		there   []mender.Integration
		applied map[string]webhook.Secret
		stored  string
		o       Options
		want    []string
	}{
		{"same", fileHook, []mender.Integration{hook}, applied("00FF00FF"), "", Options{}, []string{"nothing webhook 1"}},
		{"unknown", fileHook, []mender.Integration{hook}, nil, "", Options{}, []string{"change-credentials webhook 1; secret: unknown -> variable HOOK_SECRET"}},
		{"assumed", fileHook, []mender.Integration{hook}, nil, "", Options{AssumeSecretUnchanged: true}, []string{"nothing webhook 1"}},
		{"assumed, but known to differ", fileHook, []mender.Integration{hook}, applied("0011"), "", Options{AssumeSecretUnchanged: true},
			[]string{"change-credentials webhook 1; secret: set -> variable HOOK_SECRET"}},
		{"assumed, but there is none", fileHook, []mender.Integration{open}, nil, "", Options{AssumeSecretUnchanged: true},
			[]string{"change-credentials webhook 1; secret: none -> variable HOOK_SECRET"}},
		{"unsigned", fileUnsigned, []mender.Integration{hook}, applied("00ff00ff"), "", Options{}, []string{"change-credentials webhook 1; secret: set -> none"}},
		{"both unsigned", fileUnsigned, []mender.Integration{open}, nil, "", Options{}, []string{"nothing webhook 1"}},
		{"generate where one is stored", strings.Replace(fileGenerate, "description: c", "description: a", 1), []mender.Integration{hook}, applied("0011"), "0011", Options{},
			[]string{"nothing webhook 1"}},
		{"generate where none is stored", strings.Replace(fileGenerate, "description: c", "description: a", 1), []mender.Integration{hook}, nil, "", Options{},
			[]string{"change-credentials webhook 1; secret: unknown -> a generated one"}},
		{"generate on a machine without a store", strings.Replace(fileGenerate, "description: c", "description: a", 1), []mender.Integration{hook}, nil, "",
			Options{AssumeSecretUnchanged: true}, []string{"nothing webhook 1"}},
		{"generate there, and another URL", strings.NewReplacer("description: c", "description: a", "/a", "/b").Replace(fileGenerate), []mender.Integration{hook}, nil, "",
			Options{AssumeSecretUnchanged: true}, []string{"change-credentials webhook 1; url: https://example.com/a -> https://example.com/b; secret: unknown -> a generated one"}},
		{"a provider that is not known", fileUnsigned, []mender.Integration{pigeon}, nil, "", Options{},
			[]string{"recreate webhook 3; provider: carrier-pigeon -> webhook; url:  -> https://example.com/a; secret: none -> none"}},
		{"not in the file", fileUnsigned, []mender.Integration{pigeon, open}, nil, "", Options{}, []string{"nothing webhook 1", "nothing carrier-pigeon 3"}},
		{"not in the file, pruned", fileUnsigned, []mender.Integration{pigeon, open}, nil, "", Options{Prune: true}, []string{"nothing webhook 1", "delete carrier-pigeon 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			if tt.applied != nil {
				m.applied = tt.applied
			}
			if tt.stored != "" {
				m.secrets["1"] = parse(tt.stored)
			}
			tt.o.API, tt.o.Secrets = listing{all: tt.there}, m
			plan, err := New(tt.o).Plan(t.Context(), mustRead(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, text(plan)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoredAndNotThere(t *testing.T) {
	t.Parallel()
	_, err := New(Options{API: listing{}, Secrets: newMemory()}).Plan(t.Context(), mustRead(t, fileStored))
	if fault.KindOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), "webhooks.yaml:2:") {
		t.Errorf("%v, want a usage error in line 2", err)
	}
}
