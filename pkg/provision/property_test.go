package provision

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// TestApplyThenNothing applies random files to random states of the server and of
// this machine. Afterwards the plan must be empty, and the server must match the
// file.
func TestApplyThenNothing(t *testing.T) {
	t.Parallel()
	for _, enterprise := range []bool{false, true} {
		t.Run(fmt.Sprintf("scopes kept: %v", enterprise), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, sandbox.Options{Scopes: enterprise})
			m := newMemory()
			for seed := range uint64(250) {
				r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // so that the test is repeatable
				if r.IntN(3) > 0 {
					s.clear(t)
					s.randomState(t, r)
				}
				if r.IntN(3) == 0 {
					m = newMemory()
				}
				text := randomFile(r)
				f := mustRead(t, text)
				p := New(Options{API: s.client, Secrets: m, Claims: s.claims, AllowRecreate: true,
					Prune: r.IntN(2) == 0, AssumeSecretUnchanged: r.IntN(4) == 0})
				if _, err := apply(t.Context(), p, f); err != nil {
					t.Fatalf("seed %d: %v in\n%s", seed, err, text)
				}
				api := &racing{API: s.client}
				p.o.API = api
				plan, err := p.Plan(t.Context(), f)
				if err != nil || plan.Changes {
					t.Fatalf("seed %d: after apply: %v, %+v for\n%s", seed, err, plan, text)
				}
				if _, err := p.Apply(t.Context(), plan); err != nil || api.creates+api.deletes > 0 {
					t.Fatalf("seed %d: applying nothing: %v, %d creates, %d deletes", seed, err, api.creates, api.deletes)
				}
				matches(t, s, f, enterprise, seed)
			}
		})
	}
}

// matches compares the file with the server, independently of the package.
func matches(t *testing.T, s *server, f *File, enterprise bool, seed uint64) {
	t.Helper()
	all := s.integrations(t)
	if len(f.entries) == 0 {
		return // pruned or left unchanged
	}
	e := f.entries[0]
	if len(all) != 1 || all[0].Provider != mender.ProviderWebhook {
		t.Fatalf("seed %d: the server has %+v", seed, all)
	}
	i := all[0]
	switch {
	case e.description != nil && i.Description != *e.description,
		i.Credentials.HTTP != nil && i.Credentials.HTTP.URL != e.url,
		i.Credentials.HasSecret() == (e.secret.kind == none),
		enterprise && e.scopes != nil && list(i.Scopes) != list(*e.scopes):
		t.Fatalf("seed %d: the server has %+v, the file %+v", seed, i, e)
	}
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// randomState sets a random state of the server.
func (s *server) randomState(t *testing.T, r *rand.Rand) {
	t.Helper()
	n := mender.NewIntegration{Description: pick(r, "", "a", "b")}
	switch r.IntN(4) {
	case 0:
		return
	case 1:
		n.Provider = mender.ProviderWebhook
		n.Credentials = mender.HTTP("https://example.com/"+pick(r, "a", "b"), pick(r, "", "00ff00ff", "0011"))
	case 2:
		n.Provider = mender.ProviderIoTHub
		n.Credentials = mender.Credentials{Type: mender.CredentialsSAS, ConnectionString: "HostName=" + pick(r, "fleet", "other") +
			".azure-devices.net;SharedAccessKeyName=mender;SharedAccessKey=c2VjcmV0a2V5"}
	case 3:
		n.Provider = mender.ProviderIoTCore
		n.Credentials = mender.Credentials{Type: mender.CredentialsAWS, AWS: &mender.AWSCredentials{
			AccessKeyID: pick(r, "AKIA", "AKIB"), SecretAccessKey: "x", Region: pick(r, "eu-west-1", "us-east-1"), DevicePolicyName: "p",
		}}
	}
	if r.IntN(2) == 0 {
		n.Scopes = []string{pick(r, "deviceauth", "inventory")}
	}
	if _, err := s.client.CreateIntegration(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func randomFile(r *rand.Rand) string {
	var b strings.Builder
	switch r.IntN(5) {
	case 0:
		return fileEmpty
	default:
		fmt.Fprintf(&b, "integrations:\n- provider: webhook\n  url: https://example.com/%s\n  secret: %s\n", pick(r, "a", "b"),
			pick(r, "{ env: HOOK_SECRET }", "{ file: hook.secret }", "{ generate: true }", "{ none: true }"))
	}
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "  description: %q\n", pick(r, "", "a", "b", "ü: #"))
	}
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "  scopes: %s\n", pick(r, "[]", "[deviceauth]", "[inventory, deviceauth]"))
	}
	return b.String()
}

// TestExportReadsBack exports random states, and checks that the file matches the
// server.
func TestExportReadsBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "it's: #1", "- a", "line\nline\n", "{x}", "1", "true", "ü\u202e\x1b", "'", `"`, "\r", "~", " x ", "!!str"} {
		d, _ := Export([]mender.Integration{{ID: "1", Provider: mender.ProviderWebhook, Description: text,
			Credentials: mender.HTTP("https://example.com/?q="+"a#b", ""), Scopes: []string{"inventory"}}}, ExportOptions{Profile: text, IsStored: func(string) bool { return false }})
		b := encode(t, d)
		f, err := Read("exported", b, testSources())
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		e := f.entries[0]
		if f.Profile != text || e.url != "https://example.com/?q=a#b" || e.description == nil && text != "" || e.description != nil && *e.description != text {
			t.Errorf("%q was read back as %+v of\n%s", text, e, b)
		}
	}
}
