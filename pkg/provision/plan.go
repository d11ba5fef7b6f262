package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// Action is what a step does.
type Action string

// The actions.
const (
	// Nothing leaves an integration as it is.
	Nothing Action = "nothing"
	// Create creates a webhook if no integration is in the way.
	Create Action = "create"
	// ChangeCredentials replaces URL and secret in place.
	ChangeCredentials Action = "change-credentials"
	// Recreate deletes an integration and creates a webhook in its place, since
	// Mender changes only credentials. In between, events are neither logged nor
	// sent.
	Recreate Action = "recreate"
	// Delete removes an integration that the file does not name.
	Delete Action = "delete"
)

// Plan is the difference between a file, or a single change, and a server, as steps. It encodes to
// JSON without secrets, but a URL in it may contain a token.
type Plan struct {
	// Profile is the profile that the file names, or "".
	Profile string `json:"profile,omitempty"`
	File    string `json:"file,omitempty"`
	// Changes reports whether any step changes something.
	Changes bool   `json:"changes"`
	Steps   []Step `json:"steps"`
	// Warnings are for the user, such as scopes that the server does not store.
	Warnings []string `json:"warnings,omitempty"`

	file *File
}

// Step is one integration and the action that it needs.
type Step struct {
	Action   Action          `json:"action"`
	Provider mender.Provider `json:"provider"`
	// ID is the id of the existing integration, or "".
	ID      string   `json:"id,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Unmanaged is set if the file does not name the integration.
	Unmanaged bool `json:"unmanaged,omitempty"`
	// Gap is set if events are neither logged nor sent during the step.
	Gap bool `json:"gap,omitempty"`
	// CanRestore is set if the credentials of the old integration are known, so that
	// it can be restored if its replacement cannot be created.
	CanRestore bool `json:"can_restore,omitempty"`
	// Done reports whether Apply completed the step and changed something.
	Done bool `json:"done"`
	// NewID is the id of the integration that Apply created.
	NewID string `json:"new_id,omitempty"`

	// Place describes where this machine stored the secret; empty if it did not.
	Place string `json:"-"`
	// BesideFile and BesideStored are set if the old secret stays beside the new
	// one, in the file or in the store.
	BesideFile   bool `json:"-"`
	BesideStored bool `json:"-"`
	// SecretUnchanged is the fingerprint of a stored secret that is sent again.
	SecretUnchanged string `json:"-"`

	entry             entry
	there             *mender.Integration
	secret            secretPlan
	generated, rotate bool
	out               string // a file to write the secret to
}

// Fingerprint returns the fingerprint of the step's secret, or "".
func (s Step) Fingerprint() string {
	if s.secret.value.IsZero() {
		return ""
	}
	return s.secret.value.Fingerprint()
}

// ResultID returns the id that the integration has after the step, or its current id if the
// step is not done. It returns "" if the step deleted the integration.
func (s Step) ResultID() string {
	switch {
	case s.NewID != "":
		return s.NewID
	case s.Action == Delete && s.Done:
		return ""
	}
	return s.ID
}

// secretOrigin returns how this machine got the step's secret.
func (s Step) secretOrigin() secret.Origin {
	if s.generated || s.entry.secret.kind == generate {
		return secret.Generated
	}
	return secret.Given
}

// Format prints the step's action for every verb, since unexported fields
// contain secrets.
func (s Step) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s %s %s", s.Action, s.Provider, s.ID)
}

// Change is one field of an integration.
type Change struct {
	Field string `json:"field"`
	// From and To are the old and the new value; empty for none. For a secret,
	// From is none, set or unknown, and To is where the new one comes from.
	From string `json:"from"`
	To   string `json:"to"`
}

// storeError returns the error for a secret that must be in the store, but is not or
// cannot be.
func (f *File) storeError(at yamlfile.Position, s secretPlan) error {
	place := fmt.Sprintf("%s:%d:%d: secret: ", f.Name, at.Line, at.Column)
	if s.generate {
		return fault.WithHint(fault.Usagef("%sa generated secret must be stored, since no one else knows it", place),
			"leave out --no-store, or use { env: VARIABLE }")
	}
	return fault.WithHint(fault.Usagef("%sno secret is stored on this machine for this webhook", place),
		"use { generate: true } to generate a secret if none is stored, or store one with `mender-webhooks secret set`")
}

// Plan lists the server's integrations and returns the steps that Apply would
// execute. It returns the errors of the API and the store, and a usage error if a
// secret that should be stored is not.
func (p *Provisioner) Plan(ctx context.Context, f *File) (*Plan, error) {
	there, err := p.o.API.Integrations(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{File: f.Name, Profile: f.Profile, Steps: []Step{}, file: f}
	for _, e := range f.entries {
		var found *mender.Integration
		if i := slices.IndexFunc(there, func(i mender.Integration) bool { return i.Provider == mender.ProviderWebhook }); i >= 0 {
			found = &there[i]
			there = slices.Concat(there[:i], there[i+1:])
		} else if len(there) >= maxIntegrations {
			found, there = &there[0], there[1:] // an organization has room for only one
		}
		step, warnings, err := p.step(ctx, f, e, found)
		if err != nil {
			return nil, err
		}
		plan.Steps = append(plan.Steps, step)
		plan.Warnings = append(plan.Warnings, warnings...)
	}
	for _, i := range there {
		step := Step{Action: Nothing, Provider: i.Provider, ID: i.ID, Unmanaged: true, there: &i}
		if p.o.Prune {
			step.Action = Delete
		}
		plan.Steps = append(plan.Steps, step)
	}
	plan.Changes = slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Action != Nothing })
	return plan, nil
}

// step compares an entry with the integration in its place, if there is one.
func (p *Provisioner) step(ctx context.Context, f *File, e entry, there *mender.Integration) (Step, []string, error) {
	s := Step{Provider: mender.ProviderWebhook, entry: e, there: there}
	changes, warnings := p.compare(e, there)
	if there != nil {
		s.ID = there.ID
	}
	var err error
	if s.secret, err = p.planSecret(ctx, e, there); err != nil {
		return s, nil, unsent(&s, err)
	}
	changed := s.secret.changes
	inPlace := isWebhook(there) && !slices.ContainsFunc(changes, func(c Change) bool { return !credential(c.Field) })
	switch {
	case there == nil:
		s.Action = Create
	case !inPlace:
		s.Action, s.Gap = Recreate, true
		_, s.CanRestore, err = p.knownCredentials(ctx, e, *there)
	case len(changes) > 0 || changed != nil:
		s.Action = ChangeCredentials
	default:
		s.Action = Nothing
	}
	if s.Action != Nothing && (s.secret.missing || s.secret.generate && !p.o.Secrets.Stores()) {
		return s, nil, f.storeError(e.secret.at, s.secret)
	}
	if s.Action != Nothing && s.secret.generate && changed == nil {
		// Mender replaces URL and secret together, and this machine has no secret to send.
		changed = []Change{{Field: secretField, From: secretUnknown, To: e.secret.String()}}
	}
	s.Changes = slices.Concat(changes, changed)
	return s, warnings, err
}

// credential reports whether Mender can replace a field in place.
func credential(field string) bool {
	return field != "description" && field != "scopes" && field != "provider"
}

// compare returns the differences except for the secret.
func (p *Provisioner) compare(e entry, there *mender.Integration) (changes []Change, warnings []string) {
	add := func(field, from, to string) {
		if from != to {
			changes = append(changes, Change{Field: field, From: from, To: to})
		}
	}
	now := mender.Integration{Credentials: mender.HTTP("", "")}
	switch {
	case isWebhook(there):
		now = *there
	case there != nil:
		add("provider", string(there.Provider), string(mender.ProviderWebhook))
	}
	add("url", now.Credentials.HTTP.URL, e.url)
	if e.description != nil {
		add("description", now.Description, *e.description)
	}
	if e.scopes != nil {
		kept, dropped := p.keptScopes(*e.scopes, now.Scopes)
		add("scopes", list(now.Scopes), list(kept))
		if len(dropped) > 0 {
			warnings = append(warnings, scopesWarning(dropped))
		}
	}
	return changes, warnings
}

// list joins scopes in a fixed order, since their order makes no difference.
func list(scopes []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(scopes))), ", ")
}

// keptScopes splits the requested scopes into those that the server presumably
// stores, and the rest. Mender Open Source, whose tokens name no tenant, drops
// all of them silently; inventory requires a higher plan than "os".
func (p *Provisioner) keptScopes(wanted, now []string) (kept, dropped []string) {
	for _, scope := range wanted {
		switch {
		case slices.Contains(now, scope),
			p.o.Claims.Tenant != "" && (scope != "inventory" || p.o.Claims.Plan != "os"):
			kept = append(kept, scope)
		default:
			dropped = append(dropped, scope)
		}
	}
	return kept, dropped
}

func scopesWarning(dropped []string) string {
	return fmt.Sprintf("the server does not store the scope %s: open source servers have no scopes, and inventory requires the Professional plan or higher",
		strings.Join(dropped, ", "))
}
