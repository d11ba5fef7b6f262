package provision

import (
	"context"
	"errors"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Webhook describes a webhook to create, or the new settings of an existing one.
type Webhook struct {
	URL         string
	Description string
	Scopes      []string
	// Secret is the secret to set; zero for none.
	Secret webhook.Secret
	// NoSecret leaves deliveries unsigned.
	NoSecret bool
	// Generated is set if no one else knows the secret.
	Generated bool
	// Rotate leaves the old secret beside the new one, in the store and in Out,
	// for deliveries already in progress.
	Rotate bool
	// Out is a file to write the secret to before it is sent, or empty. The file
	// must not exist unless Rotate is set.
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

func (p *Provisioner) plan(w Webhook, s Step) *Plan {
	s.Provider, s.entry = mender.ProviderWebhook, w.entry()
	s.secret.value, s.generated, s.rotate, s.out = w.Secret, w.Generated, w.Rotate, w.Out
	changes, warnings := p.compare(s.entry, s.there)
	if s.SecretUnchanged == "" {
		from, to := secretNone, s.entry.secret.String()
		if s.there != nil && s.there.Credentials.HasSecret() {
			from = secretSet
		}
		if w.Generated {
			to = reference{kind: generate}.String()
		}
		if from != to || s.there == nil {
			changes = append(changes, Change{Field: secretField, From: from, To: to})
		}
	}
	s.Changes = changes
	return &Plan{Changes: true, Steps: []Step{s}, Warnings: warnings}
}

// CreatePlan returns the plan that creates a webhook. It sends nothing: see
// CheckRoom.
func (p *Provisioner) CreatePlan(w Webhook) *Plan { return p.plan(w, Step{Action: Create}) }

// CheckRoom returns a conflict error if the organization already has an
// integration, since Mender would refuse to create another.
func (p *Provisioner) CheckRoom(ctx context.Context) error {
	existing, err := p.o.API.Integrations(ctx)
	if err != nil || len(existing) < maxIntegrations {
		return err
	}
	return p.inTheWay(ctx, existing[0], fault.New(fault.Conflict, "the organization already has an integration"))
}

// UpdatePlan returns the plan that sets a webhook's URL, secret, or both. An
// empty URL leaves the URL as it is; a zero Secret without NoSecret leaves the
// secret as it is. The server replaces both together, so a secret that stays
// must be stored on this machine; otherwise it is a usage error.
func (p *Provisioner) UpdatePlan(ctx context.Context, i mender.Integration, w Webhook) (*Plan, error) {
	if !isWebhook(&i) {
		return nil, fault.Usagef("cannot set the URL or the secret of integration %s: its provider is %s, not webhook", i.ID, i.Provider)
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
			return nil, fault.WithHint(fault.Usagef("changing only the URL would remove the webhook's secret: the server replaces both together, and does not return the old secret"),
				"pass the secret again (--secret-file FILE), generate a new one (--generate-secret), or pass --no-secret")
		}
		w.Secret, s.SecretUnchanged = kept, kept.Fingerprint()
	}
	return p.plan(w, s), nil
}

// DeletePlan returns the plan that deletes integrations of any provider.
func DeletePlan(all []mender.Integration) *Plan {
	plan := &Plan{Changes: len(all) > 0, Steps: []Step{}}
	for _, i := range all {
		plan.Steps = append(plan.Steps, Step{Action: Delete, Provider: i.Provider, ID: i.ID, there: &i})
	}
	return plan
}

// explainConflict names the integration that is in the way of a new one, since
// the server does not.
func (p *Provisioner) explainConflict(ctx context.Context, err error) error {
	if !errors.Is(err, mender.ErrConflict) {
		return err
	}
	existing, listErr := p.o.API.Integrations(ctx)
	if listErr != nil || len(existing) == 0 {
		return fault.WithHint(err, "an organization can have one integration; run `mender-webhooks list` to see it")
	}
	return p.inTheWay(ctx, existing[0], err)
}

// inTheWay adds the next step to the error of a create that conflicts with an
// integration.
func (p *Provisioner) inTheWay(ctx context.Context, i mender.Integration, err error) error {
	if hint := p.ephemeralHint(ctx, i); hint != "" {
		return fault.WithHint(err, "%s", hint)
	}
	if isWebhook(&i) {
		return fault.WithHint(err, "the organization's one integration is the webhook %s to %s: "+
			"change it with `mender-webhooks update`, or delete it with `mender-webhooks delete %[1]s`", i.ID, redact.URLs(i.Credentials.HTTP.URL))
	}
	return fault.WithHint(err, "the organization's one integration is %s of provider %s: "+
		"delete it with `mender-webhooks delete %[1]s` to make room for a webhook", i.ID, i.Provider)
}
