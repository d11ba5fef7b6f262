package mender

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDebugShowsNothingSecret replays every recorded exchange and more, and
// searches the output for each secret.
func TestDebugShowsNothingSecret(t *testing.T) {
	const (
		password = `cor"rect+horse/battery&staple`
		code     = "918273"
		secret   = "c0ffee11c0ffee22c0ffee33"
		awsKey   = "wJalrXUtnFEMI/K7MDENG"
		sasKey   = "HostName=h;SharedAccessKeyName=n;SharedAccessKey=c2FzLWtleQ=="
	)
	var out, errors bytes.Buffer
	p := newPlayer(t)
	c := testClient(t, p.URL, func(o *Options) {
		o.Debug = &out
		o.Retry = RetryPolicy{Retries: 1, MinWait: time.Nanosecond, OnRetry: func(_ int, _ time.Duration, err error) { errors.WriteString(err.Error()) }}
	})
	tell := func(err error) {
		if err != nil {
			errors.WriteString(err.Error() + "\n")
		}
	}
	ctx := t.Context()
	var tokens []string
	for _, x := range recorded(t) {
		p.play = x
		result, _, err := perform(ctx, c, x)
		tell(err)
		if token, ok := result.(string); ok && strings.Count(token, ".") == 2 {
			tokens = append(tokens, token)
		}
	}
	// Answers that reveal secrets: quoted, truncated, in headers.
	leaky := `{"error":"wrong SECRET for ` + testToken + `, formerly eyJhbGciOiJub25lIn0.eyJzdWIiOiJvdGhlciJ9.c2lnbmF0dXJl, at https://user:hunter22@x.example/?access_token=t0k3nv4lue\u0026a=1",` +
		`"secret":"` + secret + `","password":"pass\"word1","token":"opaque-token-1","nested":{"token2fa":918273,"connection_string":"` + sasKey + `"},` +
		`"x":"Bearer opaque-token-2","truncated_secret":"half-a-secr`
	p.play.Response.Headers = map[string]string{"Set-Cookie": "session=c00kie", "X-Auth-Token": "opaque-token-3", "Content-Type": "application/json",
		"Location": "https://user:hunter22@x.example/?token=t0k3nv4lue"}
	for _, status := range []int{200, 307, 400, 503} {
		p.play.Response.Status, p.play.Response.Body = status, leaky
		_, err := c.Integrations(ctx)
		tell(err)
		for _, credentials := range []Credentials{
			HTTP("https://user:hunter22@x.example/hook?token=t0k3nv4lue", secret),
			{Type: CredentialsSAS, ConnectionString: sasKey},
			{Type: CredentialsAWS, AWS: &AWSCredentials{AccessKeyID: "AKIA", SecretAccessKey: awsKey}},
		} {
			p.play.Response.Body = strings.ReplaceAll(leaky, "SECRET", credentials.secrets()[len(credentials.secrets())-1])
			n := NewIntegration{Provider: ProviderWebhook, Credentials: credentials}
			n.Provider = map[CredentialsType]Provider{CredentialsHTTP: ProviderWebhook, CredentialsAWS: ProviderIoTCore, CredentialsSAS: ProviderIoTHub}[credentials.Type]
			_, err = c.CreateIntegration(ctx, n)
			tell(err)
		}
		p.play.Response.Body = strings.TrimSuffix(leaky, `,"truncated_secret":"half-a-secr`) + "}"
		_, err = c.Login(ctx, LoginRequest{Email: "admin@example.com", Password: password, TwoFactorCode: code})
		tell(err)
		tell(c.Logout(ctx))
	}

	for _, shown := range []*bytes.Buffer{&out, &errors} {
		text := shown.String()
		for _, hidden := range append(tokens, testToken, strings.Split(testToken, ".")[1], password, `cor\"rect`, code, secret, awsKey, "c2FzLWtleQ",
			"hunter22", "t0k3nv4lue", "c00kie", "opaque-token", `pass\"word1`, "word1", "half-a-secr", "deadbeef",
			base64.StdEncoding.EncodeToString([]byte("admin@example.com:"+password)), "c2lnbmF0dXJl") {
			if i := strings.Index(text, hidden); i >= 0 {
				t.Errorf("%q is shown: …%s", hidden, text[max(0, i-200):min(len(text), i+80)])
			}
		}
	}
	for _, wanted := range []string{
		"> POST " + p.URL + useradm + "/auth/login\n", "> Authorization: Basic ***\n", "> Authorization: Bearer ***\n",
		"< HTTP/1.1 409 Conflict", "integration already exists", "< Set-Cookie: ***\n", `"url":"http://127.0.0.1:9099/hook"`, "per_page=500",
		"> X-Men-Requestid: ", `"type":"device-status-changed"`,
	} {
		if !strings.Contains(out.String(), wanted) {
			t.Errorf("%q is not shown", wanted)
		}
	}
	if len(tokens) != 4 {
		t.Errorf("%d tokens were recorded", len(tokens))
	}
}

func TestDebugIsSafeForATerminal(t *testing.T) {
	p := newPlayer(t)
	var out bytes.Buffer
	c := testClient(t, p.URL, func(o *Options) { o.Debug = &out })
	p.play.Response.Status = 400
	p.play.Response.Body = "{\"error\":\"\x1b[2Jgone\u202egnp\xff\a\"}\n< HTTP/1.1 200 OK\r\n> forged"
	p.play.Response.Headers = map[string]string{"X-Note": "a\x9b31mb"}
	_, _ = c.Integrations(t.Context())
	for _, r := range out.String() {
		if r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r <= 0x9f || r == 0x202e || r == '\ufffd') {
			t.Errorf("%U is written as it is", r)
		}
	}
	for _, want := range []string{`\x1b[2Jgone\u202egnp\xff\x07`, "\n< < HTTP/1.1 200 OK\n", "\n< > forged\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestDebugChangesNothing checks that the caller still reads the same body, and
// the same error if it is cut off.
func TestDebugChangesNothing(t *testing.T) {
	for _, debug := range []io.Writer{nil, io.Discard} {
		c := testClient(t, newBroken(t), func(o *Options) { o.Debug, o.Retry.Retries = debug, -1 })
		_, err := c.Integrations(t.Context())
		if err == nil || !strings.Contains(err.Error(), "closed the connection") {
			t.Errorf("error: %v", err)
		}
	}
}

// newBroken starts a server that cuts off its answer in the middle.
func newBroken(t *testing.T) string {
	p := newPlayer(t)
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `[{"id":"a"`)
	})
	return p.URL
}
