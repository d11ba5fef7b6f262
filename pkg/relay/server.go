package relay

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Limits of the embedded server, in bytes unless said otherwise.
const (
	// maxPayload is the largest event with its headers. JetStream counts
	// both; a body of 1 MiB and 16 KiB of headers have room.
	maxPayload      = 4 << 20
	maxPending      = 64 << 20
	startLimit      = 2 * time.Minute // recovery of a large folder takes a while
	readyPause      = 100 * time.Millisecond
	reconnectPause  = 20 * time.Millisecond
	natsUser        = "relay"
	serverDirectory = "jetstream"
)

// embedded is a NATS server in this process. It can be restarted while clients
// are connected: they reconnect as they would to a cluster.
type embedded struct {
	dir      string
	password string
	sync     bool // each message, before it is acknowledged
	log      *serverLog

	// life is held while the server starts or stops, which takes long on a
	// failing disk.
	life   sync.Mutex
	closed bool // under life

	// running is nil between a stop and the next start. Connecting must not
	// wait for life: nats.go keeps every publish waiting meanwhile.
	running atomic.Pointer[server.Server]
}

func newEmbedded(dir string, sync bool, log *serverLog) *embedded {
	return &embedded{dir: dir, password: rand.Text(), sync: sync, log: log}
}

// start runs the server, and returns when it is ready, has failed to start, or
// ctx is done.
func (e *embedded) start(ctx context.Context) error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return errors.New("the store is closed")
	}
	s, err := server.NewServer(e.options())
	if err != nil {
		return fmt.Errorf("start the store in %s: %w", e.dir, err)
	}
	e.log.starts()
	defer e.log.started()
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	if err := e.ready(ctx, s); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("start the store in %s: %w", e.dir, err)
	}
	e.running.Store(s)
	return nil
}

func (e *embedded) options() *server.Options {
	return &server.Options{
		ServerName: "mender-webhooks",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		NoSigs:     true,
		// The server warns of a password in its options at each start.
		CustomClientAuthentication: passwordCheck(e.password),
		MaxPayload:                 maxPayload,
		MaxPending:                 maxPending,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               filepath.Join(e.dir, serverDirectory),
		// The stream's own limit counts. The default here is a share of the
		// free space at start, which shrinks as events come.
		JetStreamMaxStore:  math.MaxInt64,
		JetStreamMaxMemory: 16 << 20,
		SyncInterval:       syncInterval,
		SyncAlways:         e.sync,
	}
}

// ready waits until a server that was started accepts connections.
func (e *embedded) ready(ctx context.Context, s *server.Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("it did not become ready"))
	defer cancel()
	for !s.ReadyForConnections(readyPause) {
		if text := e.log.fatal(); text != "" {
			return errors.New(text)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if text := e.log.fatal(); text != "" || !s.JetStreamEnabled() {
		return errors.New(orElse(text, "JetStream is off"))
	}
	return nil
}

// health returns why the server cannot store events in a stream, as far as it
// knows.
func (e *embedded) health(stream string) error {
	s := e.running.Load()
	if s == nil {
		return nil // it is being restarted
	}
	if h := s.Healthz(&server.HealthzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Stream: stream}); h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

// InProcessConn connects to the running server. nats.go calls it for each
// attempt to connect.
func (e *embedded) InProcessConn() (net.Conn, error) {
	s := e.running.Load()
	if s == nil {
		return nil, errors.New("the store is not running")
	}
	return s.InProcessConn()
}

// passwordCheck lets in who knows the password.
type passwordCheck string

// Check is called by the server for each connection.
func (p passwordCheck) Check(c server.ClientAuthentication) bool {
	got := c.GetOpts().Password
	return subtle.ConstantTimeCompare([]byte(p), []byte(got)) == 1
}

// address is where other processes on this machine reach the server.
func (e *embedded) address() string {
	if s := e.running.Load(); s != nil {
		return s.Addr().String()
	}
	return ""
}

// stop returns when the server has ended. On a disk that does not answer, that
// is when the disk answers again.
func (e *embedded) stop() {
	e.life.Lock()
	defer e.life.Unlock()
	e.shutdown()
}

func (e *embedded) shutdown() {
	if s := e.running.Swap(nil); s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// close stops the server for good.
func (e *embedded) close() {
	e.life.Lock()
	defer e.life.Unlock()
	e.shutdown()
	e.closed = true
}

// connect makes the connection that the queue of this process uses.
func (e *embedded) connect() (*nats.Conn, error) {
	nc, err := nats.Connect("", append(connOptions(e.password), nats.InProcessServer(e))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the store in %s: %w", e.dir, err)
	}
	return nc, nil
}

func connOptions(password string) []nats.Option {
	return []nats.Option{
		nats.UserInfo(natsUser, password),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectPause),
		nats.ReconnectJitter(reconnectPause, reconnectPause),
		nats.IgnoreAuthErrorAbort(),
		// Without a server an event is refused at once, not kept in memory.
		nats.ReconnectBufSize(-1),
		// The default prints to stderr; what matters comes back as an error
		// of the call that failed.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
}

// drainPause bounds how long a closing connection may take to send what it has.
const drainPause = 2 * time.Second

func closeConn(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), drainPause)
	defer cancel()
	if nc.IsConnected() {
		_ = nc.FlushWithContext(ctx) // what was not sent is forwarded again
	}
	nc.Close()
}
