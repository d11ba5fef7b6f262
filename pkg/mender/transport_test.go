package mender

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

func TestPrivateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients hang up on purpose
	server.StartTLS()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Options)
		ok     bool
	}{
		"unknown":    {func(*Options) {}, false},
		"trusted":    {func(o *Options) { o.CACertFile = ca }, true},
		"not looked": {func(o *Options) { o.SkipVerify = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			retried := 0
			c := testClient(t, server.URL, test.change, func(o *Options) {
				o.Retry.OnRetry = func(int, time.Duration, error) { retried++ }
			})
			_, err := c.Integrations(t.Context())
			if test.ok != (err == nil) {
				t.Errorf("error: %v", err)
			}
			if !test.ok && (!errors.Is(err, ErrCertificate) || !errors.Is(err, ErrUnreachable) || retried > 0) {
				t.Errorf("%v, after %d repeats", err, retried)
			}
		})
	}
	if _, err := New(Options{CACertFile: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	none := filepath.Join(t.TempDir(), "none.pem")
	_ = os.WriteFile(none, []byte("no certificate"), 0o600)
	if _, err := New(Options{CACertFile: none}); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("a file without a certificate: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached the other host, with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	var to string
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			reached++
			_, _ = io.WriteString(w, "[]")
			return
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := testClient(t, server.URL)

	to = "/moved"
	if _, err := c.Integrations(t.Context()); err != nil || reached != 1 {
		t.Errorf("within the server: %v, %d reached", err, reached)
	}
	if err := c.DeleteIntegration(t.Context(), "a"); err == nil || reached != 1 {
		t.Errorf("a DELETE was sent on: %v", err)
	}
	if _, err := c.CreateIntegration(t.Context(), newWebhook); err == nil || reached != 1 || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a POST was sent on: %v", err)
	}
	to = other.URL + "/moved?token=abcdef"
	_, err := c.Integrations(t.Context())
	if !errors.Is(err, ErrBadAnswer) || !strings.Contains(err.Error(), other.URL) || strings.Contains(err.Error(), "abcdef") {
		t.Errorf("to another host: %v", err)
	}
}

// TestRedirectSaysWhyItIsNotFollowed checks that the error has the right reason.
func TestRedirectSaysWhyItIsNotFollowed(t *testing.T) {
	var to string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := testClient(t, server.URL)
	secure := strings.Replace(server.URL, "http://", "https://", 1)
	list := func() error { _, err := c.Integrations(t.Context()); return err }
	remove := func() error { return c.DeleteIntegration(t.Context(), "a") }
	for name, test := range map[string]struct {
		to         string
		call       func() error
		says, hint string
	}{
		"to another host": {"http://other.example/", list, "which is not followed: the token is only for " + server.URL, ""},
		"to https":        {secure + "/x", list, "the server redirects to " + secure, "use " + secure},
		"in a circle":     {"/again", list, "redirects more than 5 times", ""},
		"of a write":      {"/moved", remove, "/moved: redirects are followed only for reads", ""},
	} {
		to = test.to
		err := test.call()
		if !errors.Is(err, ErrBadAnswer) || !strings.Contains(err.Error(), test.says) || name != "to another host" && strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v", name, err)
		}
		if hint := fault.HintOf(err); test.hint != "" && hint != test.hint {
			t.Errorf("%s: hint %q, want %q", name, hint, test.hint)
		}
	}
}

type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s %s was sent", r.Method, r.URL)
	return nil, errors.New("no network")
}

func TestNothingSecretInClear(t *testing.T) {
	c, err := New(Options{Server: "http://mender.example", Token: testToken, Transport: noNetwork{t}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Integrations(t.Context()); !errors.Is(err, ErrInsecure) {
		t.Errorf("a token: %v", err)
	}
	if _, err := c.WithToken("").Login(t.Context(), LoginRequest{Email: "a", Password: "b"}); !errors.Is(err, ErrInsecure) {
		t.Errorf("a password: %v", err)
	}
	s := &script{steps: []step{{status: 200, body: "[]"}}}
	allowed, _ := New(Options{Server: "http://mender.example", Token: testToken, AllowHTTP: true, Transport: s})
	if _, err := allowed.Integrations(t.Context()); err != nil || s.n != 1 {
		t.Errorf("allowed: %v", err)
	}
}

func TestUnfitCredentialsAreNotSent(t *testing.T) {
	c, _ := New(Options{Token: testToken, Transport: noNetwork{t}})
	aws := Credentials{Type: CredentialsAWS, AWS: &AWSCredentials{SecretAccessKey: omittedSecret}}
	for _, n := range []NewIntegration{
		{Provider: ProviderWebhook, Credentials: aws},
		{Provider: ProviderIoTCore, Credentials: aws},
		{Provider: ProviderWebhook, Credentials: HTTP("https://x.example", omittedSecret)},
		{Provider: ProviderWebhook},
	} {
		if _, err := c.CreateIntegration(t.Context(), n); !errors.Is(err, ErrCredentials) {
			t.Errorf("%s: %v", n.Provider, err)
		}
	}
}

func TestReplaceCredentials(t *testing.T) {
	var put string
	listed := `[{"id":"a","provider":"webhook","credentials":{"type":"http","http":{"url":"https://x.example"}}}]`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			put = r.URL.Path + " " + string(body)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, listed)
	}))
	defer server.Close()
	c := testClient(t, server.URL)
	if err := c.ReplaceCredentials(t.Context(), "b", HTTP("https://y.example", "")); !errors.Is(err, ErrNotFound) {
		t.Errorf("another id: %v", err)
	}
	aws := Credentials{Type: CredentialsAWS, AWS: &AWSCredentials{AccessKeyID: "a", SecretAccessKey: "b"}}
	if err := c.ReplaceCredentials(t.Context(), "a", aws); !errors.Is(err, ErrCredentials) || put != "" {
		t.Errorf("another provider's: %v, sent %q", err, put)
	}
	if err := c.ReplaceCredentials(t.Context(), "a", HTTP("https://y.example", "")); err != nil {
		t.Fatal(err)
	}
	if want := iotManager + `/integrations/a/credentials {"type":"http","http":{"url":"https://y.example"}}`; put != want {
		t.Errorf("sent %s, want %s", put, want)
	}
	listed = strings.Replace(listed, "webhook", "kafka", 1) // a future provider
	if err := c.ReplaceCredentials(t.Context(), "a", aws); !errors.Is(err, ErrCredentials) {
		t.Errorf("an unknown provider with other credentials: %v", err)
	}
	if i, err := c.Integration(t.Context(), "a"); err != nil || i.Provider != "kafka" {
		t.Errorf("%v, %v", i, err)
	}
}
