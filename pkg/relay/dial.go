package relay

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrRefused says that the cluster does not know, or not permit, who asks.
var ErrRefused = errors.New("the cluster refuses")

// DefaultClusterAckTimeout is how long Publish waits for a cluster: its answer
// has to reach Mender, and a load balancer, within a second.
const DefaultClusterAckTimeout = 800 * time.Millisecond

// DialOptions say which cluster, as whom, and which streams on it. Of the ways
// to say as whom, one is enough: CredsFile, NKeyFile, User, Token, a client's
// certificate, or those of the Context.
type DialOptions struct {
	// URLs are the servers to begin with, such as nats://nats-0:4222 or
	// tls://…; the others are learned from them. Without a Context there has
	// to be one at least.
	URLs []string
	// Context is the name of one of the nats command line's contexts, a file
	// in ~/.config/nats/context, or the path of such a file. What is said
	// here too outranks it.
	Context string
	// CredsFile is a file with a user's JWT and seed, as nsc makes it;
	// NKeyFile one with a seed. Both are read again for each connection.
	CredsFile, NKeyFile   string
	User, Password, Token string
	// CAFile is an authority to trust, CertFile and KeyFile a client's
	// certificate.
	CAFile, CertFile, KeyFile string
	// Name is what the cluster's operators see of this connection.
	Name string

	// Attach leaves streams that do not exist alone: the error then wraps
	// ErrNoStream.
	Attach bool
	// AckTimeout is as in QueueOptions, but DefaultClusterAckTimeout long.
	AckTimeout time.Duration
	// The others are as in QueueOptions.
	Prefix   string
	MaxBytes int64
	Keep     time.Duration
	AckWait  time.Duration
	Replicas int
	Logf     Logf
}

// Cluster is a queue on a JetStream cluster that others run.
type Cluster struct {
	*Queue
	ended sync.Once
}

// Pauses of a connection to a cluster.
const (
	dialTimeout      = 2 * time.Second // for one server
	attemptTimeout   = 4 * time.Second // for a connection and its streams; a question may just have got lost
	dialPause        = 250 * time.Millisecond
	clusterReconnect = 100 * time.Millisecond
	// A connection that is cut without a word is given up after the third
	// ping.
	pingInterval = time.Second
	pingsUnheard = 2
)

// Dial connects to a JetStream cluster, and opens the queue on it: its streams
// are made where they are missing, and checked where they are not. While the
// cluster can't be reached, or has no quorum, it is tried again until ctx
// ends; the error then wraps ErrUnavailable. It wraps ErrRefused where the
// cluster does not let this client in, and ErrMisfit where a stream that
// exists can't be used.
func Dial(ctx context.Context, o DialOptions) (*Cluster, error) {
	target, err := o.resolve()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		c, err := target.dial(attempt)
		cancel()
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return c, err
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// cluster is where to connect to, with what nats.go has to know.
type cluster struct {
	urls    string
	connect []nats.Option
	queue   QueueOptions
	up      atomic.Bool // there is a connection
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// resolve checks the options, and reads the context.
func (o DialOptions) resolve() (*cluster, error) {
	q := QueueOptions{
		Prefix: o.Prefix, MaxBytes: o.MaxBytes, Keep: o.Keep, AckWait: o.AckWait, Replicas: o.Replicas, Logf: o.Logf,
		AckTimeout: orElse(o.AckTimeout, DefaultClusterAckTimeout), bind: o.Attach,
	}.withDefaults()
	if !prefixForm.MatchString(q.Prefix) {
		return nil, fmt.Errorf("%q can't begin subjects: it takes letters, digits, - and _, parted by dots", q.Prefix)
	}
	c := &cluster{queue: q}
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
	c.connect = append(c.connect, c.lasting(orElse(o.Name, "mender-webhooks"))...)
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
		if _, err := os.ReadFile(o.CredsFile); err != nil {
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
	if o.CAFile != "" {
		options = append(options, nats.RootCAs(o.CAFile))
	}
	if o.CertFile != "" {
		options = append(options, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	return options, nil
}

// lasting makes a connection that comes back by itself, whatever happens.
func (c *cluster) lasting(name string) []nats.Option {
	logf := c.queue.Logf
	return []nats.Option{
		nats.Name(name),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(clusterReconnect),
		nats.ReconnectJitter(clusterReconnect, clusterReconnect),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsUnheard),
		nats.IgnoreAuthErrorAbort(),
		// Without a server an event is refused at once, not kept in memory.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			c.up.Store(false)
			if !nc.IsClosed() && err != nil {
				logf("the connection to NATS is lost, no events are taken in: %v", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.up.Store(true)
			logf("the connection to NATS is back")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrAuthorization) {
				logf("NATS: %v", err)
			}
		}),
	}
}

func (c *cluster) dial(ctx context.Context) (*Cluster, error) {
	c.up.Store(true)
	nc, err := nats.Connect(c.urls, c.connect...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", connectError(err))
	}
	q, err := newQueue(ctx, nc, c.queue, 0)
	if err != nil {
		nc.Close()
		return nil, err
	}
	q.barrier = c.ready
	if !c.queue.bind {
		q.maintain(nil)
	}
	return &Cluster{Queue: q}, nil
}

// ready says why nothing can be stored at present. While it reconnects, the
// connection itself keeps who asks waiting.
func (c *cluster) ready() error {
	if !c.up.Load() {
		return publishError(nats.ErrReconnectBufExceeded)
	}
	return nil
}

// connectError parts what passes from what does not.
func connectError(err error) error {
	text := err.Error()
	for _, sign := range []string{"x509:", "tls:", "certificate"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	for _, refused := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrSecureConnRequired, nats.ErrSecureConnWanted} {
		if errors.Is(err, refused) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Close ends what this process does with the queue, and the connection. A
// forwarder that was not stopped is broken off. Only the first call does
// something, and none fails; the error is there so that a Cluster closes as a
// Store does.
func (c *Cluster) Close() error {
	c.ended.Do(func() {
		c.breakOff()
		c.Queue.Close()
		closeConn(c.nc)
	})
	return nil
}

// breakOff ends a forwarder that was not stopped.
func (q *Queue) breakOff() {
	if f := q.forwarder.Load(); f != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.Stop(ended) // the error says that it was broken off
	}
}
