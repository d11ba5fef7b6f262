package provision

import (
	"context"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Webhook is what a plan of a single step makes of a webhook.
type Webhook struct {
	URL         string
	Description string
	Scopes      []string
	// Secret is the one to set; the zero Secret is none.
	Secret webhook.Secret
	// NoSecret says that deliveries are to be unsigned.
	NoSecret bool
	// Generated says that no one else knows the secret.
	Generated bool
	// Rotate leaves the former secret beside the new one, in the store and in
	// Out, for deliveries that are on their way.
	Rotate bool
	// Out is a file to write the secret to before the server is given it, or
	// empty. It must not exist, unless Rotate is set.
	Out string
}

func (w Webhook) entry() entry {
	e := entry{url: w.URL, secret: reference{kind: given, value: w.Secret}}
	if w.Secret.IsZero() {
		e.secret.kind = none
	}
	if w.Description != "" {
		e.description = &w.Description
	}
	if w.Scopes != nil {
		e.scopes = &w.Scopes
	}
	return e
}

func (w Webhook) plan(s Step) *Plan {
	s.Provider, s.entry = mender.ProviderWebhook, w.entry()
	s.secret.value, s.generated, s.rotate, s.out = w.Secret, w.Generated, w.Rotate, w.Out
	return &Plan{Changes: true, Steps: []Step{s}}
}

// CreatePlan returns the plan that creates a webhook.
func CreatePlan(w Webhook) *Plan { return w.plan(Step{Action: Create}) }

// UpdatePlan returns the plan that gives a webhook a new URL, a new secret, or
// both. An empty URL, and a zero Secret without NoSecret, stay as they are.
// Since the server replaces both together, a secret that stays must be stored.
func (p *Provisioner) UpdatePlan(ctx context.Context, i mender.Integration, w Webhook) (*Plan, error) {
	if !isWebhook(&i) {
		return nil, fault.Usagef("integration %s is of provider %s, not a webhook: a URL and a secret would break it", i.ID, i.Provider)
	}
	s := Step{Action: ChangeCredentials, ID: i.ID, there: &i}
	if w.URL == "" {
		w.URL = i.Credentials.HTTP.URL
	}
	if w.Secret.IsZero() && !w.NoSecret && i.Credentials.HasSecret() {
		kept, err := p.o.Secrets.Stored(ctx, i.ID)
		if err != nil {
			return nil, err
		}
		if kept.IsZero() {
			return nil, fault.WithHint(fault.Usagef("a new URL alone would take the webhook's secret away: the server replaces both together, and does not tell the old one"),
				"give the secret again (--secret-file FILE), a new one (--generate-secret), or --no-secret")
		}
		w.Secret, s.SecretUnchanged = kept, kept.Fingerprint()
	}
	return w.plan(s), nil
}

// DeletePlan returns the plan that deletes integrations, of whatever provider.
func DeletePlan(all []mender.Integration) *Plan {
	plan := &Plan{Changes: len(all) > 0}
	for _, i := range all {
		plan.Steps = append(plan.Steps, Step{Action: Delete, Provider: i.Provider, ID: i.ID, there: &i})
	}
	return plan
}
