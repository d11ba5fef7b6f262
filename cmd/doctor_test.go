package cmd

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/sandbox"
)

// machine is a simulated machine with its own clock and environment.
type machine struct {
	t   *testing.T
	now func() time.Time
	env map[string]string
}

func (m machine) run(args ...string) (code int, out, said string) {
	m.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &cli.App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Now: m.now, ExitCode: exitCode,
		Env: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok }}
	code = run(context.Background(), a, args, nil)
	return code, stdout.String(), stderr.String()
}

// newMachine returns a machine that is logged in to a sandbox with a certificate
// from a private authority.
func newMachine(t *testing.T, o sandbox.Options) machine {
	t.Helper()
	sb, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	server := httptest.NewUnstartedServer(sb)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	return machine{t: t, now: time.Now, env: map[string]string{
		"HOME": t.TempDir(), "MENDER_SERVER_URL": server.URL, "MENDER_SERVER_ACCESS_TOKEN": sb.AdminToken(), "MENDER_CA_CERT": ca,
	}}
}

func TestDoctorTransport(t *testing.T) {
	t.Parallel()
	m := newMachine(t, sandbox.Options{})
	if code, out, _ := m.run("doctor"); code != 3 || !strings.Contains(out, "✓  tls          TLS 1.3, and the certificate is valid until") {
		t.Errorf("private authority: exit code %d\n%s", code, out)
	}
	delete(m.env, "MENDER_CA_CERT")
	if code, out, _ := m.run("doctor"); code != 6 || !strings.Contains(out, "✗  tls") || !strings.Contains(out, "trust your own authority with --ca-cert FILE") {
		t.Errorf("an unknown authority: exit code %d\n%s", code, out)
	}
	if code, out, _ := m.run("doctor", "--skip-verify"); code != 3 || !strings.Contains(out, "!  tls          the certificate is not verified (--skip-verify)") {
		t.Errorf("--skip-verify: exit code %d\n%s", code, out)
	}
	// Other commands warn each time.
	if code, _, said := m.run("list", "--skip-verify"); code != 0 || !strings.Contains(said, "warning: the server's certificate is not verified") {
		t.Errorf("list --skip-verify: exit code %d\n%s", code, said)
	}
	m.env["MENDER_CA_CERT"] = m.env["HOME"] + "/none.pem"
	if code, out, _ := m.run("doctor"); code != 2 || !strings.Contains(out, "✗  tls          --ca-cert") {
		t.Errorf("no such file: exit code %d\n%s", code, out)
	}
}

func TestDoctorClock(t *testing.T) {
	t.Parallel()
	m := newMachine(t, sandbox.Options{})
	for ahead, want := range map[time.Duration]string{
		0:                 `✓  clock        the clocks agree to within [12]s`,
		time.Minute:       `!  clock        the server's clock is (1m|59s|58s) behind this machine's`,
		-20 * time.Minute: `✗  clock        the server's clock is (20m|19m59s|19m58s) ahead of this machine's`,
	} {
		m.now = func() time.Time { return time.Now().Add(ahead) }
		if _, out, _ := m.run("doctor"); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s ahead: no %q in\n%s", ahead, want, out)
		}
	}
}
