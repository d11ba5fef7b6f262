package cli

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// The variables that say as whom to connect to NATS; the nats command line's
// own. A password has no flag: other users of the machine would see it.
const (
	envNATSUser     = "NATS_USER"
	envNATSPassword = "NATS_PASSWORD"
)

// NatsFlags say on which JetStream cluster the store is, and how to get there.
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
	f.StringVar(&n.context, "nats-context", "", "with or in place of --nats: a context of the nats command line, by `NAME`")
	f.StringVar(&n.creds, "nats-creds", "", "with --nats: a `FILE` with credentials (JWT and seed)")
	f.StringVar(&n.nkey, "nats-nkey", "", "with --nats: a `FILE` with an NKey's seed; user and password come from "+envNATSUser+" and "+envNATSPassword)
	f.StringVar(&n.ca, "nats-ca", "", "with --nats: trust the authority in this `FILE`")
	f.StringVar(&n.cert, "nats-cert", "", "with --nats: a client's certificate, in a `FILE`")
	f.StringVar(&n.key, "nats-key", "", "with --nats: the certificate's key, in a `FILE`")
	f.StringVar(&n.prefix, "subject-prefix", "", "with --nats: the `PREFIX` with which subjects and streams begin, so that several share a cluster (default \""+relay.DefaultPrefix+"\")")
}

// NatsNeeds adds to needs what the flags of a cluster require.
func NatsNeeds(needs map[string][]string) map[string][]string {
	for _, name := range []string{"nats-creds", "nats-nkey", "nats-ca", "nats-cert", "nats-key", "subject-prefix"} {
		needs[name] = []string{"nats", "nats-context"}
	}
	return needs
}

// Given reports whether a cluster is meant.
func (n *NatsFlags) Given() bool { return len(n.urls) > 0 || n.context != "" }

// Check reports what is wrong with the flags, before anything is sent.
func (n *NatsFlags) Check() error {
	for _, text := range n.urls {
		if u, err := url.Parse(text); (err == nil && u.User != nil) || (err != nil && strings.Contains(text, "@")) {
			return Hinted(Usagef("--nats: a URL with a user or a password can be seen by other users of this machine"),
				"set %s and %s, or give --nats-creds FILE", envNATSUser, envNATSPassword)
		}
	}
	return nil
}

// Dial returns how to connect. The variables count where no flag says as whom.
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
		return o, Usagef("%s and %s go together, and can't be empty", envNATSUser, envNATSPassword)
	}
	o.User, o.Password = user, password
	return o, nil
}

// attachLimit is how long a cluster is waited for by who only looks after its
// events.
const attachLimit = 5 * time.Second

// attach opens the queue on the cluster for looking after it.
func (n *NatsFlags) attach(ctx context.Context, a *App) (*openQueue, error) {
	o, err := n.Dial(a)
	if err != nil {
		return nil, err
	}
	o.Attach = true
	o.AckTimeout = attachLimit // nobody waits as Mender does
	ctx, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	c, err := relay.Dial(ctx, o)
	if err != nil {
		return nil, NatsError(err)
	}
	return &openQueue{Queue: c.Queue, Close: c.Close}, nil
}

// NatsError gives an error of relay.Dial its exit code and next step.
func NatsError(err error) error {
	switch {
	case errors.Is(err, relay.ErrNoStream):
		return Hinted(Failf(ExitNotFound, "--nats: %w", err), "`mender-webhooks listen --nats` makes it; is --subject-prefix the listener's?")
	case errors.Is(err, relay.ErrRefused):
		return Hinted(Failf(ExitAccess, "--nats: %w", err), "--nats-creds, --nats-nkey, --nats-cert, or %s and %s say who you are, --nats-ca whom to trust", envNATSUser, envNATSPassword)
	case errors.Is(err, relay.ErrMisfit):
		return Hinted(Failf(ExitConflict, "--nats: %w", err), "change the stream with `nats stream edit`, or choose another --subject-prefix")
	case errors.Is(err, relay.ErrNoRoom):
		return Hinted(Failf(ExitServer, "--nats: %w", err), "give a smaller --max-bytes or fewer --replicas, or the servers more `max_file_store`; a stream that was just deleted may take a moment")
	case errors.Is(err, relay.ErrUnavailable):
		return Hinted(Failf(ExitServer, "--nats: %w", err), "is it the right address, is JetStream on, and do most of its servers run?")
	}
	return Usagef("--nats: %w", err)
}
