package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// The environment variables for the NATS user and password are the same as for the nats
// command line. No flag takes a password, because other users could see it in the process
// list.
const (
	envNATSUser     = "NATS_USER"
	envNATSPassword = "NATS_PASSWORD"
)

// NatsFlags are the flags that select a JetStream cluster and authenticate with it.
type NatsFlags struct {
	urls    []string
	context string
	creds   string
	nkey    string
	ca      string
	cert    string
	key     string
	prefix  string
}

// Register adds the flags to f.
func (n *NatsFlags) Register(f *pflag.FlagSet, usage string) {
	f.StringSliceVar(&n.urls, "nats", nil, usage)
	f.StringVar(&n.context, "nats-context", "", "with or instead of --nats: `NAME` of a nats CLI context")
	f.StringVar(&n.creds, "nats-creds", "", "with --nats: credentials `FILE` (JWT and seed)")
	f.StringVar(&n.nkey, "nats-nkey", "", "with --nats: `FILE` with the seed of an NKey; for user and password, set "+envNATSUser+" and "+envNATSPassword)
	f.StringVar(&n.ca, "nats-ca", "", "with --nats: `FILE` with the certificate authority")
	f.StringVar(&n.cert, "nats-cert", "", "with --nats: `FILE` with the client certificate")
	f.StringVar(&n.key, "nats-key", "", "with --nats: `FILE` with the private key of the client certificate")
	f.StringVar(&n.prefix, "subject-prefix", "", "with --nats: `PREFIX` of subjects and streams, to share a cluster (default \""+relay.DefaultPrefix+"\")")
}

// NatsNeeds adds to needs that flags such as --nats-creds require --nats or --nats-context.
func NatsNeeds(needs map[string][]string) map[string][]string {
	for _, name := range []string{"nats-creds", "nats-nkey", "nats-ca", "nats-cert", "nats-key", "subject-prefix"} {
		needs[name] = []string{"nats", "nats-context"}
	}
	return needs
}

// flags returns the flags as text.
func (n *NatsFlags) flags() string {
	var given []string
	for _, f := range [][2]string{
		{"nats", strings.Join(n.urls, ",")}, {"nats-context", n.context}, {"nats-creds", n.creds}, {"nats-nkey", n.nkey},
		{"nats-ca", n.ca}, {"nats-cert", n.cert}, {"nats-key", n.key}, {"subject-prefix", n.prefix},
	} {
		if f[1] != "" {
			given = append(given, "--"+f[0]+" "+f[1])
		}
	}
	return strings.Join(given, " ")
}

// WithPrefix returns the flags with another --subject-prefix, unless it is empty.
func (n NatsFlags) WithPrefix(prefix string) *NatsFlags {
	if prefix != "" {
		n.prefix = prefix
	}
	return &n
}

// Given reports whether the flags select a cluster.
func (n *NatsFlags) Given() bool { return len(n.urls) > 0 || n.context != "" }

// Key returns a part of a file name that identifies the cluster's streams on this machine.
func (n *NatsFlags) Key() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q", n.urls, n.context, n.prefix)
	return strconv.FormatUint(h.Sum64(), 16)
}

// Check returns a usage error if the flags are invalid.
func (n *NatsFlags) Check() error {
	for _, text := range n.urls {
		if u, err := url.Parse(text); (err == nil && u.User != nil) || (err != nil && strings.Contains(text, "@")) {
			return Hinted(Usagef("refusing a user or password in --nats: other users can see it in the process list"),
				"set %s and %s, or pass --nats-creds FILE", envNATSUser, envNATSPassword)
		}
	}
	return nil
}

// Dial returns the options for a connection. It uses the user and password from the
// environment unless a flag provides credentials.
func (n *NatsFlags) Dial(a *App) (relay.DialOptions, error) {
	o := relay.DialOptions{
		URLs: n.urls, Context: n.context, CredsFile: n.creds, NKeyFile: n.nkey,
		CAFile: n.ca, CertFile: n.cert, KeyFile: n.key, Prefix: n.prefix,
		Logf: func(format string, args ...any) { a.Warn(format, args...) },
	}
	if err := n.Check(); err != nil {
		return o, err
	}
	set, err := a.LocalSettings()
	if err != nil {
		return o, err
	}
	o.AddCAFile = set.CACertFile
	if n.creds != "" || n.nkey != "" {
		return o, nil
	}
	user, named := a.Env(envNATSUser)
	password, known := a.Env(envNATSPassword)
	if named != known || (named && (user == "" || password == "")) {
		return o, Usagef("invalid %[1]s and %[2]s: set both, or neither", envNATSUser, envNATSPassword)
	}
	o.User, o.Password = user, password
	return o, nil
}

// attachLimit is how long admin commands wait for the cluster.
const attachLimit = 5 * time.Second

// attach opens the queue on the cluster for admin commands.
func (n *NatsFlags) attach(ctx context.Context, a *App) (*openQueue, error) {
	o, err := n.Dial(a)
	if err != nil {
		return nil, err
	}
	o.Attach = true
	o.AckTimeout = attachLimit // can be long, because Mender is not waiting for an answer
	ctx, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	c, err := relay.Dial(ctx, o)
	if err != nil {
		return nil, NatsError(err)
	}
	return &openQueue{Queue: c.Queue, Close: c.Close}, nil
}

// NatsError adds a kind and a hint to an error of relay.Dial.
func NatsError(err error) error {
	switch {
	case errors.Is(err, relay.ErrNoStream):
		return Hinted(Failf(fault.NotFound, "--nats: %w", err), "run `mender-webhooks listen --nats` to create it, or pass the listener's --subject-prefix")
	case errors.Is(err, relay.ErrRefused):
		return Hinted(Failf(fault.Access, "--nats: %w", err), "pass credentials with --nats-creds, --nats-nkey, --nats-cert, or %s and %s; pass the certificate authority with --nats-ca", envNATSUser, envNATSPassword)
	case errors.Is(err, relay.ErrMisfit):
		return Hinted(Failf(fault.Conflict, "--nats: %w", err), "change the stream with `nats stream edit`, or use another --subject-prefix")
	case errors.Is(err, relay.ErrNoRoom):
		return Hinted(Failf(fault.Unavailable, "--nats: %w", err), "reduce --max-bytes or --replicas, or increase `max_file_store` on the servers; the space of a stream that was just deleted is freed after a short delay")
	case errors.Is(err, relay.ErrUnavailable):
		return Hinted(Failf(fault.Unavailable, "--nats: %w", err), "check the address, that JetStream is enabled, and that a majority of the servers is running")
	}
	return Usagef("--nats: %w", err)
}
