package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// Action is what a step does.
type Action string

// The actions.
const (
	// Nothing leaves an integration as it is.
	Nothing Action = "nothing"
	// Create sets one up where none is in the way.
	Create Action = "create"
	// ChangeCredentials replaces URL and secret, in place.
	ChangeCredentials Action = "change-credentials"
	// Recreate deletes what is there and creates it anew, since Mender changes
	// nothing but credentials. In between, events are neither logged nor sent.
	Recreate Action = "recreate"
	// Delete removes one that the file does not name.
	Delete Action = "delete"
)

// Plan is the difference between a file and a server. It encodes to JSON
// without secrets, but a URL in it may hold a token.
type Plan struct {
	File string `json:"file"`
	// Changes is whether any step does something.
	Changes bool   `json:"changes"`
	Steps   []Step `json:"steps"`
	// Warnings are what a user should know, and is no difference.
	Warnings []string `json:"warnings,omitempty"`

	file *File
}

// Step is one integration and what is to be done about it.
type Step struct {
	Action   Action          `json:"action"`
	Provider mender.Provider `json:"provider"`
	// ID is that of the integration that is there; "" where none is.
	ID      string   `json:"id,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Unmanaged says that the file does not name the integration.
	Unmanaged bool `json:"unmanaged,omitempty"`
	// Gap says that events are neither logged nor sent for a while.
	Gap bool `json:"gap,omitempty"`
	// CanRestore says, for Recreate, that the integration is put back should
	// its successor fail: its secret is known here.
	CanRestore bool `json:"can_restore,omitempty"`
	// Done says that Apply has done it.
	Done bool `json:"done"`
	// NewID is the id of an integration that Apply created.
	NewID string `json:"new_id,omitempty"`

	// Place is where this machine stored the secret, for people; empty if it
	// did not have to.
	Place string `json:"-"`
	// BesideFile and BesideStored say where the former secret stays beside the
	// new one.
	BesideFile   bool `json:"-"`
	BesideStored bool `json:"-"`
	// SecretUnchanged is the fingerprint of a stored secret that is sent again.
	SecretUnchanged string `json:"-"`

	entry             entry
	there             *mender.Integration
	secret            secretPlan
	generated, rotate bool
	out               string // a file that gets the secret
}

// Fingerprint returns the fingerprint of the secret that the step set; empty if
// it set none.
func (s Step) Fingerprint() string {
	if s.secret.value.IsZero() {
		return ""
	}
	return s.secret.value.Fingerprint()
}

// secretOrigin says how the step's secret came here.
func (s Step) secretOrigin() secret.Origin {
	if s.generated || s.entry.secret.kind == generate {
		return secret.Generated
	}
	return secret.Given
}

// Format prints what the step does, whatever the verb: what is not exported
// holds secrets.
func (s Step) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s %s %s", s.Action, s.Provider, s.ID)
}

// Change is one field of an integration.
type Change struct {
	Field string `json:"field"`
	// From is "" where there was nothing, and To is "" where nothing will be.
	// Of a secret, From is none, set or unknown, and To is where it comes from.
	From string `json:"from"`
	To   string `json:"to"`
}

// StoreError is a secret that the file says is stored, and is not, or one to
// generate that would be stored nowhere.
type StoreError struct {
	File         string
	Line, Column int
	Generate     bool
}

// Error says where the file asks for it.
func (e *StoreError) Error() string {
	if e.Generate {
		return fmt.Sprintf("%s:%d:%d: secret: a generated one has to be stored on this machine, since no one else knows it", e.File, e.Line, e.Column)
	}
	return fmt.Sprintf("%s:%d:%d: secret: none is stored on this machine for this webhook", e.File, e.Line, e.Column)
}

// Plan asks the server what it has and returns what Apply would do. The
// errors are the API's, those of Secrets, or a *StoreError.
func (p *Provisioner) Plan(ctx context.Context, f *File) (*Plan, error) {
	there, err := p.o.API.Integrations(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{File: f.Name, Steps: []Step{}, file: f}
	for _, e := range f.entries {
		var found *mender.Integration
		if i := slices.IndexFunc(there, func(i mender.Integration) bool { return i.Provider == mender.ProviderWebhook }); i >= 0 {
			found = &there[i]
			there = slices.Concat(there[:i], there[i+1:])
		} else if len(there) >= MaxIntegrations {
			found, there = &there[0], there[1:] // it has the place that the entry needs
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

// step compares an entry with the integration in its place, or with none.
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
		return s, nil, &StoreError{File: f.Name, Line: e.secret.at.line, Column: e.secret.at.column, Generate: s.secret.generate}
	}
	if s.Action != Nothing && s.secret.generate && changed == nil {
		// It was to stay as it is, but credentials are replaced as a whole.
		changed = []Change{{Field: secretField, From: secretUnknown, To: e.secret.String()}}
	}
	s.Changes = slices.Concat(changes, changed)
	return s, warnings, err
}

// credential reports whether Mender replaces a field in place.
func credential(field string) bool {
	return field != "description" && field != "scopes" && field != "provider"
}

// compare returns what differs, but for the secret.
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

// list is scopes in one order, so that another one is no difference.
func list(scopes []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(scopes))), ", ")
}

// keptScopes splits the scopes asked for into those that the server keeps, as
// far as can be known, and others. Mender Open Source, whose tokens name no
// tenant, drops all of them without a word; inventory needs more than the
// plan "os".
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
	return fmt.Sprintf("the server does not keep the scope %s: open source servers have no scopes, and inventory needs the Professional plan or higher",
		strings.Join(dropped, ", "))
}
