// Package cluster connects to the servers of a NATS JetStream cluster.
package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrRefused reports that the cluster rejects the credentials, or does not permit
// an operation.
var ErrRefused = errors.New("refused by the cluster")

// Options select a cluster, credentials, and the streams on it. Pass one kind of
// credentials: CredsFile, NKeyFile, User, Token, a client certificate, or the
// credentials of Context.
type Options struct {
	// URLs are the initial servers, such as nats://nats-0:4222 or tls://…; they
	// announce the others. They are required without Context.
	URLs []string
	// Context is the name of a context of the nats command line, a file in
	// ~/.config/nats/context, or the path of such a file. The other fields take
	// precedence over it.
	Context string
	// CredsFile is a file with a user's JWT and seed, as nsc creates it; NKeyFile
	// is one with a seed. Both are read for each connection.
	CredsFile, NKeyFile   string
	User, Password, Token string
	// CAFile is the trusted authority. CertFile and KeyFile are the client
	// certificate.
	CAFile, CertFile, KeyFile string
	// AddCAFile is an authority to trust in addition to CAFile, or to the system's
	// authorities, on connections that use TLS.
	AddCAFile string
	// Name identifies the connection in the server's monitoring.
	Name string

	// Attach requires that the streams exist, and creates none.
	Attach bool
	// Failed, unless nil, is called with the error of each attempt that will be
	// retried.
	Failed func(error)
	// AckTimeout is how long a publish waits for the cluster; 0 means
	// relay.DefaultClusterAckTimeout.
	AckTimeout time.Duration
	// The other fields are as in relay.QueueOptions.
	Prefix   string
	MaxBytes int64
	Keep     time.Duration
	AckWait  time.Duration
	Replicas int
	Routes   []Route
	Logf     func(format string, args ...any)
}

// Timing of a connection.
const (
	dialTimeout    = 2 * time.Second // for each server
	reconnectPause = 100 * time.Millisecond
	// A connection that is cut silently is given up after the third unanswered ping.
	pingInterval = time.Second
	pingsUnheard = 2
)

// Server is a cluster that Resolve has checked. Domain and APIPrefix belong to its
// JetStream; most clusters have neither.
type Server struct {
	Domain, APIPrefix string

	urls    string
	options []nats.Option
}

// Events holds callbacks for a connection, which calls them from its goroutines. Logf
// logs that the connection is lost or back. Up reports whether it is usable. Denied
// gets an error that wraps ErrRefused if an operation is not permitted, because the
// request itself gets no answer.
type Events struct {
	Logf   func(format string, args ...any)
	Up     func(bool)
	Denied func(error)
}

// Connect returns a connection that reconnects until it is closed. The error wraps
// ErrRefused if trying again does not help.
func (s Server) Connect(e Events) (*nats.Conn, error) {
	nc, err := nats.Connect(s.urls, append(e.options(), s.options...)...)
	if err != nil && isRefusal(err) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nc, err
}

func (e Events) options() []nats.Option {
	return []nats.Option{
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectPause),
		nats.ReconnectJitter(reconnectPause, reconnectPause),
		nats.FlusherTimeout(pingInterval), // callers wait this long for a network that accepts nothing
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsUnheard),
		nats.IgnoreAuthErrorAbort(),
		// Without a server, refuse events immediately instead of buffering them.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			e.Up(false)
			if !nc.IsClosed() && err != nil {
				e.Logf("lost the connection to NATS, events are refused: %v", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			e.Up(true)
			e.Logf("reconnected to NATS")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrAuthorization) {
				e.Logf("NATS: %v", err)
				e.Denied(fmt.Errorf("%w: %w", ErrRefused, err))
			}
		}),
	}
}

// isRefusal reports whether connecting again would fail in the same way.
func isRefusal(err error) bool {
	text := err.Error()
	for _, sign := range []string{"x509:", "tls:", "certificate"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	for _, refused := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrSecureConnRequired, nats.ErrSecureConnWanted} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return false
}
