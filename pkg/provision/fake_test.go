package provision

import (
	"bytes"
	"context"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// memory is a store of secrets in memory. It outlives a stopped process as a
// machine's store does.
type memory struct {
	secrets map[string]webhook.Secret
	applied map[string]webhook.Secret
	nothing bool // nothing is stored
	broken  error
}

func newMemory() *memory {
	return &memory{secrets: map[string]webhook.Secret{}, applied: map[string]webhook.Secret{}}
}

func (m *memory) clone() *memory {
	return &memory{secrets: maps.Clone(m.secrets), applied: maps.Clone(m.applied)}
}

func (m *memory) Stores() bool                { return !m.nothing }
func (m *memory) Check(context.Context) error { return m.broken }

func (m *memory) Stored(_ context.Context, id string) (webhook.Secret, error) {
	return m.secrets[id], nil
}

func (m *memory) Keep(_ context.Context, id string, s webhook.Secret, _ secret.Origin) (secret.Kept, error) {
	before, ok := m.secrets[id]
	m.secrets[id] = s
	return secret.Kept{Name: id, Place: "memory", Undo: func(context.Context) error {
		delete(m.secrets, id)
		if ok {
			m.secrets[id] = before
		}
		return nil
	}}, m.broken
}

func (m *memory) ForgetOld(context.Context, string) error { return m.broken }

func (m *memory) Forget(_ context.Context, id string) error {
	delete(m.secrets, id)
	return nil
}

func (m *memory) Compare(_ context.Context, id string, s webhook.Secret) (secret.Drift, error) {
	switch applied, ok := m.applied[id]; {
	case !ok:
		return secret.Unknown, nil
	case strings.EqualFold(applied.Hex(), s.Hex()):
		return secret.Same, nil
	}
	return secret.Changed, nil
}

func (m *memory) SetApplied(_ context.Context, id string, s webhook.Secret) error {
	m.applied[id] = s
	return m.broken
}

func (m *memory) ForgetApplied(_ context.Context, id string) error {
	delete(m.applied, id)
	return nil
}

// server is a sandbox with a client for it.
type server struct {
	box    *sandbox.Sandbox
	client *mender.Client
	claims mender.Claims
}

func newServer(t *testing.T, o sandbox.Options) *server {
	t.Helper()
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	http := httptest.NewServer(box)
	t.Cleanup(http.Close)
	client, err := mender.New(mender.Options{Server: http.URL, Token: box.AdminToken(),
		Retry: mender.RetryPolicy{MinWait: time.Millisecond, MaxWait: time.Millisecond, MaxRetryAfter: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	claims, err := mender.ParseClaims(box.AdminToken())
	if err != nil {
		t.Fatal(err)
	}
	return &server{box: box, client: client, claims: claims}
}

// provisioner returns a provisioner with all permissions that uses api.
func (s *server) provisioner(api API, m Secrets) *Provisioner {
	return New(Options{API: api, Secrets: m, Claims: s.claims, Prune: true, AllowRecreate: true})
}

// integrations returns the server's integrations.
func (s *server) integrations(t *testing.T) []mender.Integration {
	t.Helper()
	all, err := s.client.Integrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clear deletes all integrations of the server.
func (s *server) clear(t *testing.T) {
	t.Helper()
	for _, i := range s.integrations(t) {
		if err := s.client.DeleteIntegration(t.Context(), i.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func mustRead(t *testing.T, text string) *File {
	t.Helper()
	f, err := Read("webhooks.yaml", []byte("apiVersion: mender-webhooks/v1\n"+text), testSources())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Files of the tests.
const (
	fileEmpty         = "integrations: []"
	fileHook          = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {env: HOOK_SECRET}, description: a}]"
	fileMoved         = "integrations: [{provider: webhook, url: 'https://example.com/b', secret: {file: hook.secret}, description: a}]"
	fileRenamed       = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {env: HOOK_SECRET}, description: b}]"
	fileGenerate      = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {generate: true}, description: c}]"
	fileStored        = "integrations: [{provider: webhook, url: 'https://example.com/s', secret: {stored: true}}]"
	fileStoredRenamed = "integrations: [{provider: webhook, url: 'https://example.com/s', secret: {stored: true}, description: renamed}]"
	fileUnsigned      = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {none: true}}]"
	fileScoped        = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {none: true}, scopes: [deviceauth, inventory]}]"
	fileOpenRenamed   = "integrations: [{provider: webhook, url: 'https://example.com/a', secret: {none: true}, description: b}]"
)

// encode returns a document as the commands write it.
func encode(t *testing.T, d Document) []byte {
	t.Helper()
	var b bytes.Buffer
	p, err := output.New(&b, output.Options{Format: output.YAML})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Print(output.View{Value: d}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
