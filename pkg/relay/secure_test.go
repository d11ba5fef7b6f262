package relay_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// authority signs certificates. Its own certificate is in the file ca.
type authority struct {
	t    *testing.T
	dir  string
	ca   string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = template, a.newKey()
	raw := a.sign(template, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.ca = a.save("ca.pem", "CERTIFICATE", raw)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

func (a *authority) save(name, kind string, raw []byte) (path string) {
	a.t.Helper()
	path = filepath.Join(a.dir, name)
	write(a.t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})))
	return path
}

// issue writes a certificate for a server on loopback or for a client.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	key := a.newKey()
	raw := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	bare, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.save(name+".pem", "CERTIFICATE", raw), a.save(name+".key", "PRIVATE KEY", bare)
}

// secure makes a server use TLS. If clients is set, it requires certificates from
// that authority.
func (a *authority) secure(clients *authority) func(*server.Options) {
	a.t.Helper()
	certFile, keyFile := a.issue("server")
	tc := &server.TLSConfigOpts{CertFile: certFile, KeyFile: keyFile}
	if clients != nil {
		tc.CaFile, tc.Verify = clients.ca, true
	}
	config, err := server.GenTLSConfig(tc)
	if err != nil {
		a.t.Fatal(err)
	}
	config.MinVersion = tls.VersionTLS12
	return func(o *server.Options) {
		o.TLS, o.TLSVerify, o.TLSConfig, o.TLSTimeout = true, clients != nil, config, patience.Seconds()
	}
}

// refuses checks that a cluster cannot be used, and that the error has the reason
// and no secret.
func refuses(t *testing.T, o relay.DialOptions, want string, secrets ...string) {
	t.Helper()
	start := time.Now()
	_, err := dial(t, o)
	if !errors.Is(err, relay.ErrRefused) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
		return
	}
	t.Log(err)
	if time.Since(start) > patience/2 {
		t.Error("it was tried again, though waiting does not mend it")
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("it tells a secret: %v", err)
		}
	}
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	url := startServer(t, ours.secure(nil))
	plain := startServer(t, nil)
	bare := strings.TrimPrefix(strings.TrimPrefix(url, "tls://"), "nats://")
	for name, server := range map[string]string{"tls": "tls://" + bare, "nats": "nats://" + bare} {
		t.Run(name, func(t *testing.T) {
			publishTo(t, mustDial(t, relay.DialOptions{URLs: []string{server}, CAFile: ours.ca}), "a")
			publishTo(t, mustDial(t, relay.DialOptions{URLs: []string{server}, AddCAFile: ours.ca}), "b")
			publishTo(t, mustDial(t, relay.DialOptions{URLs: []string{server}, CAFile: theirs.ca, AddCAFile: ours.ca}), "c")
			refuses(t, relay.DialOptions{URLs: []string{server}, AddCAFile: theirs.ca}, "certificate signed by unknown authority")
			refuses(t, relay.DialOptions{URLs: []string{server}, CAFile: theirs.ca}, "certificate signed by unknown authority")
			refuses(t, relay.DialOptions{URLs: []string{server}}, "certificate signed by unknown authority")
		})
	}
	t.Run("an added authority does not require TLS", func(t *testing.T) {
		publishTo(t, mustDial(t, relay.DialOptions{URLs: []string{plain}, AddCAFile: ours.ca}), "a")
	})
	t.Run("another name", func(t *testing.T) {
		named := strings.Replace(bare, "127.0.0.1", "localhost", 1)
		refuses(t, relay.DialOptions{URLs: []string{"tls://" + named}, CAFile: ours.ca}, "localhost")
	})
	t.Run("a server without TLS", func(t *testing.T) {
		refuses(t, relay.DialOptions{URLs: []string{strings.Replace(plain, "nats://", "tls://", 1)}, CAFile: ours.ca}, "secure connection")
	})
	t.Run("no authority", func(t *testing.T) {
		key, _ := strings.CutSuffix(ours.ca, "ca.pem")
		_, err := dial(t, relay.DialOptions{URLs: []string{url}, CAFile: key + "server.key"})
		if err == nil || errors.Is(err, relay.ErrUnavailable) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientCertificate(t *testing.T) {
	ours, clients, theirs := newAuthority(t), newAuthority(t), newAuthority(t)
	url := startServer(t, ours.secure(clients))
	o := relay.DialOptions{URLs: []string{url}, CAFile: ours.ca}
	t.Run("none", func(t *testing.T) { refuses(t, o, "tls: ") })
	t.Run("another authority's", func(t *testing.T) {
		o := o
		o.CertFile, o.KeyFile = theirs.issue("client")
		refuses(t, o, "tls: ")
	})
	o.CertFile, o.KeyFile = clients.issue("client")
	t.Run("theirs", func(t *testing.T) { publishTo(t, mustDial(t, o), "a") })
	t.Run("another's key", func(t *testing.T) {
		o := o
		_, o.KeyFile = clients.issue("other")
		_, err := dial(t, o)
		if err == nil || errors.Is(err, relay.ErrUnavailable) || !strings.Contains(err.Error(), "private key") {
			t.Errorf("got %v", err)
		}
	})
}

// operator signs accounts, as nsc does.
type operator struct {
	t        *testing.T
	pair     nkeys.KeyPair
	resolver server.MemAccResolver
}

func (o *operator) publicKey(pair nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		o.t.Fatal(err)
	}
	return pair, public
}

// account creates an account with JetStream. The server does not know it unless
// known is set.
func (o *operator) account(known, storage bool) (nkeys.KeyPair, string) {
	o.t.Helper()
	pair, public := o.publicKey(nkeys.CreateAccount())
	claims := jwt.NewAccountClaims(public)
	if storage {
		claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: 1 << 30, MemoryStorage: 1 << 20, Streams: 10, Consumer: 10}
	}
	token, err := claims.Encode(o.pair)
	if err == nil && known {
		err = o.resolver.Store(public, token)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return pair, public
}

// creds writes a file with a user's credentials, and returns its path and its
// secret parts.
func (o *operator) creds(account nkeys.KeyPair, change func(*jwt.UserClaims)) (path string, secrets []string) {
	o.t.Helper()
	pair, public := o.publicKey(nkeys.CreateUser())
	claims := jwt.NewUserClaims(public)
	if change != nil {
		change(claims)
	}
	token, err := claims.Encode(account)
	if err != nil {
		o.t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		o.t.Fatal(err)
	}
	raw, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		o.t.Fatal(err)
	}
	path = filepath.Join(o.t.TempDir(), "user.creds")
	write(o.t, path, string(raw))
	return path, []string{token, string(seed)}
}

func TestCreds(t *testing.T) {
	o := &operator{t: t}
	var trusted string
	o.pair, trusted = o.publicKey(nkeys.CreateOperator())
	_, system := o.account(true, false)
	ours, _ := o.account(true, true)
	unknown, _ := o.account(false, true)
	bare, _ := o.account(true, false)
	url := startServer(t, func(s *server.Options) {
		s.TrustedKeys, s.SystemAccount, s.AccountResolver = []string{trusted}, system, &o.resolver
	})
	at := func(creds string) relay.DialOptions { return relay.DialOptions{URLs: []string{url}, CredsFile: creds} }

	t.Run("good", func(t *testing.T) {
		creds, _ := o.creds(ours, nil)
		publishTo(t, mustDial(t, at(creds)), "a")
	})
	t.Run("account without JetStream", func(t *testing.T) {
		creds, _ := o.creds(bare, nil)
		if _, err := dial(t, at(creds)); !errors.Is(err, relay.ErrMisfit) || !strings.Contains(err.Error(), "no JetStream") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("unknown account", func(t *testing.T) {
		creds, secrets := o.creds(unknown, nil)
		refuses(t, at(creds), "Authorization Violation", secrets...)
	})
	t.Run("expired", func(t *testing.T) {
		creds, secrets := o.creds(ours, func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Minute).Unix() })
		refuses(t, at(creds), "", secrets...)
	})
	t.Run("another's seed", func(t *testing.T) {
		mine, secrets := o.creds(ours, nil)
		other, more := o.creds(ours, nil)
		write(t, mine, strings.Replace(read(t, mine), secrets[1], more[1], 1))
		_ = other
		refuses(t, at(mine), "Authorization Violation", append(secrets, more...)...)
	})
	t.Run("no right to make the streams", func(t *testing.T) {
		creds, secrets := o.creds(ours, func(c *jwt.UserClaims) { c.Pub.Deny.Add("$JS.API.STREAM.>") })
		refuses(t, at(creds), "ermission", secrets...)
	})
	t.Run("no credentials", func(t *testing.T) { refuses(t, relay.DialOptions{URLs: []string{url}}, "Authorization Violation") })
	t.Run("not a file of credentials", func(t *testing.T) {
		creds := filepath.Join(t.TempDir(), "user.creds")
		write(t, creds, "hidden")
		if _, err := dial(t, at(creds)); err == nil || errors.Is(err, relay.ErrUnavailable) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("got %v", err)
		}
	})
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
