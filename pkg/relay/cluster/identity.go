package cluster

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
)

// Resolve checks the options and reads the context and the files.
func (o Options) Resolve() (Server, error) {
	s := Server{options: []nats.Option{nats.Name(cmp.Or(o.Name, "mender-webhooks"))}}
	if o.Context != "" {
		known, err := readContext(o.Context)
		if err != nil {
			return s, err
		}
		known.fill(&o)
		s.Domain, s.APIPrefix = known.Domain, known.APIPrefix
		s.options = append(s.options, known.options()...)
	}
	if len(o.URLs) == 0 {
		return s, errors.New("no server URL: pass --nats URL, or a context that has one")
	}
	for _, text := range o.URLs {
		if err := checkServer(text); err != nil {
			return s, err
		}
	}
	s.urls = strings.Join(o.URLs, ",")
	identity, err := o.identity()
	s.options = append(s.options, identity...)
	return s, err
}

// checkServer checks the URL of a server. Its errors do not quote the URL, which may
// contain a password.
func checkServer(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if bare, err := url.Parse("nats://" + text); err == nil && bare.Host != "" && !strings.Contains(text, "://") {
			return nil
		}
		return errors.New("invalid server URL: must be nats://HOST:PORT or tls://HOST:PORT")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return nil
	}
	return fmt.Errorf("invalid server URL: scheme %q must be nats://, tls://, ws:// or wss://", u.Scheme)
}

// identity returns the options for credentials and TLS. It reads the files now, so
// that a wrong file name is reported immediately.
func (o Options) identity() ([]nats.Option, error) {
	var options []nats.Option
	kinds := 0
	if o.CredsFile != "" {
		kinds++
		if err := checkCreds(o.CredsFile); err != nil {
			return nil, fmt.Errorf("read the credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(o.CredsFile))
	}
	if o.NKeyFile != "" {
		kinds++
		option, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the NKey: %w", withoutSeed(err, o.NKeyFile))
		}
		options = append(options, option)
	}
	if o.User != "" {
		kinds++
		options = append(options, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		kinds++
		options = append(options, nats.Token(o.Token))
	}
	if kinds > 1 {
		return nil, errors.New("several kinds of credentials: pass only one of a credentials file, an NKey, a user and a token")
	}
	return o.tls(options)
}

func checkCreds(name string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	pair.Wipe()
	return nil
}

// withoutSeed replaces an error that would reveal a seed, because the seed was passed
// instead of the name of its file.
func withoutSeed(err error, name string) error {
	if strings.HasPrefix(name, "SU") && len(name) > 50 {
		return errors.New("this looks like the seed itself: pass the name of its file")
	}
	return err
}

func (o Options) tls(options []nats.Option) ([]nats.Option, error) {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("a client certificate requires its key, and the key its certificate")
	}
	for _, name := range []string{o.CAFile, o.CertFile, o.KeyFile} {
		if name == "" {
			continue
		}
		if _, err := os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	switch {
	case o.CAFile != "" && o.AddCAFile != "":
		options = append(options, nats.RootCAs(o.CAFile, o.AddCAFile))
	case o.CAFile != "":
		options = append(options, nats.RootCAs(o.CAFile))
	case o.AddCAFile != "":
		config, err := httpclient.TLS{CACertFile: o.AddCAFile}.Config()
		if err != nil {
			return nil, err
		}
		options = append(options, func(n *nats.Options) error { // nats.RootCAs would require TLS
			n.RootCAsCB = func() (*x509.CertPool, error) { return config.RootCAs, nil }
			return nil
		})
	}
	if o.CertFile != "" {
		options = append(options, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	return options, nil
}
