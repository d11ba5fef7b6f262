package relay

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/httpclient"
)

// resolve checks the options, and reads the context.
func (o DialOptions) resolve() (*cluster, error) {
	q := QueueOptions{
		Prefix: o.Prefix, MaxBytes: o.MaxBytes, Keep: o.Keep, AckWait: o.AckWait, Replicas: o.Replicas, Logf: o.Logf,
		AckTimeout: orElse(o.AckTimeout, DefaultClusterAckTimeout), bind: o.Attach,
	}.withDefaults()
	if !regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`).MatchString(q.Prefix) {
		return nil, fmt.Errorf("%q can't begin subjects: it takes letters, digits, - and _, parted by dots", q.Prefix)
	}
	c := &cluster{queue: q, name: orElse(o.Name, "mender-webhooks")}
	if o.Context != "" {
		known, err := readContext(o.Context)
		if err != nil {
			return nil, err
		}
		known.fill(&o)
		c.queue.Domain, c.queue.APIPrefix = known.Domain, known.APIPrefix
		c.connect = known.options()
	}
	if len(o.URLs) == 0 {
		return nil, errors.New("there is no server's URL")
	}
	for _, text := range o.URLs {
		if err := checkServer(text); err != nil {
			return nil, err
		}
	}
	c.urls = strings.Join(o.URLs, ",")
	identity, err := o.identity()
	if err != nil {
		return nil, err
	}
	c.connect = append(c.connect, identity...)
	return c, nil
}

// checkServer does not repeat a URL that may hold a password.
func checkServer(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if bare, err := url.Parse("nats://" + text); err == nil && bare.Host != "" && !strings.Contains(text, "://") {
			return nil
		}
		return errors.New("a server is written as nats://HOST:PORT, or tls://HOST:PORT")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return nil
	}
	return fmt.Errorf("a server's URL begins with nats://, tls://, ws:// or wss://, not with %q", u.Scheme)
}

// identity is as whom to connect. Files are read now, so that a wrong name
// is told at once.
func (o DialOptions) identity() ([]nats.Option, error) {
	var options []nats.Option
	ways := 0
	if o.CredsFile != "" {
		ways++
		if err := checkCreds(o.CredsFile); err != nil {
			return nil, fmt.Errorf("read the credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(o.CredsFile))
	}
	if o.NKeyFile != "" {
		ways++
		option, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the NKey: %w", withoutSeed(err, o.NKeyFile))
		}
		options = append(options, option)
	}
	if o.User != "" {
		ways++
		options = append(options, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		ways++
		options = append(options, nats.Token(o.Token))
	}
	if ways > 1 {
		return nil, errors.New("of credentials, an NKey, a user and a token, give one")
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
		return fmt.Errorf("%s holds none: %w", name, err)
	}
	pair.Wipe()
	return nil
}

// withoutSeed keeps a seed that was given in place of a file's name out of an
// error.
func withoutSeed(err error, name string) error {
	if strings.HasPrefix(name, "SU") && len(name) > 50 {
		return errors.New("this looks like the seed itself; give the name of a file that holds it")
	}
	return err
}

func (o DialOptions) tls(options []nats.Option) ([]nats.Option, error) {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("a client's certificate and its key go together")
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
