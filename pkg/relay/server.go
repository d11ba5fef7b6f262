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
	reconnectPause  = 20 * time.Millisecond
	natsUser        = "relay"
	serverDirectory = "jetstream"
)

// embedded is a NATS server in this process. It can be started anew under
// its clients, which then reconnect as they would to a cluster.
type embedded struct {
	dir      string
	password string
	interval time.Duration
	log      *serverLog

	mu     sync.Mutex
	server *server.Server
	closed bool
}

func newEmbedded(dir string, interval time.Duration, log *serverLog) *embedded {
	return &embedded{dir: dir, password: rand.Text(), interval: interval, log: log}
}

// start runs the server, and waits until it is ready.
func (e *embedded) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errors.New("the store is closed")
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "mender-webhooks",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		NoSigs:     true,
		// A password in the options would be warned of at each start.
		CustomClientAuthentication: passwordCheck(e.password),
		MaxPayload:                 maxPayload,
		MaxPending:                 maxPending,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               filepath.Join(e.dir, serverDirectory),
		// The stream's own limit is what counts; the default here is a
		// share of what is free at start, which shrinks as events come.
		JetStreamMaxStore:  math.MaxInt64,
		JetStreamMaxMemory: 16 << 20,
		SyncInterval:       e.interval,
	})
	if err != nil {
		return fmt.Errorf("start the store in %s: %w", e.dir, err)
	}
	e.log.mu.Lock()
	e.log.starting, e.log.found = true, nil
	e.log.mu.Unlock()
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startLimit) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		found := e.log.started()
		return fmt.Errorf("start the store in %s: %w", e.dir, notReady(found))
	}
	e.server = s
	return nil
}

func notReady(found []string) error {
	if len(found) == 0 {
		return errors.New("it did not become ready")
	}
	return errors.New(found[len(found)-1])
}

// InProcessConn connects to the server of the moment. nats.go calls it for
// each attempt to connect.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil, errors.New("the store is not running")
	}
	return e.server.InProcessConn()
}

// passwordCheck lets in who knows the password.
type passwordCheck string

// Check is called by the server for each connection.
func (p passwordCheck) Check(c server.ClientAuthentication) bool {
	got := c.GetOpts().Password
	return subtle.ConstantTimeCompare([]byte(p), []byte(got)) == 1
}

// address is where other processes of this machine reach the server.
func (e *embedded) address() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return ""
	}
	return e.server.Addr().String()
}

func (e *embedded) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		e.server = nil
	}
}

// close stops the server for good.
func (e *embedded) close() {
	e.stop()
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
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
