// Package embedded runs a NATS JetStream server in this process, with its files in
// a folder. It uses documented settings and calls only.
package embedded

import (
	"cmp"
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

// Limits of the embedded server. Sizes are in bytes.
const (
	// maxPayload is the largest event with its headers. JetStream counts
	// both. A body of 1 MiB with 16 KiB of headers fits.
	maxPayload     = 4 << 20
	maxPending     = 64 << 20
	startLimit     = 2 * time.Minute // recovery of a large folder takes a while
	readyPause     = 100 * time.Millisecond
	reconnectPause = 20 * time.Millisecond
	// syncInterval is how often files are synced without Options.Sync.
	syncInterval = time.Second
	natsUser     = "relay"
)

// Directory is the name of the server's folder within Options.Dir.
const Directory = "jetstream"

// Files returns paths that must exist while the server uses the store in dir: the
// server's folder and, for each stream, its settings file and its folder of messages.
// The caller has to check them, because the server does not notice removed files.
func Files(dir string, streams ...string) []string {
	paths := []string{filepath.Join(dir, Directory)}
	for _, name := range streams {
		stream := filepath.Join(dir, Directory, "jetstream", "$G", "streams", name)
		paths = append(paths, filepath.Join(stream, "meta.inf"), filepath.Join(stream, "msgs"))
	}
	return paths
}

// Options configure a Server.
type Options struct {
	// Dir is the folder in which the server has its own folder, Directory.
	Dir string
	// Sync makes the server sync each message to the disk before it is
	// acknowledged, instead of every second.
	Sync bool
	// Logf receives the server's warnings and errors, but not during its start. It must be safe for concurrent use.
	Logf func(format string, args ...any)
	// Failing is called after each error that the server logs, by one of its
	// goroutines.
	Failing func()
}

// Server is a NATS server in this process. It can be restarted while clients
// are connected: they reconnect as they would to a cluster. It is safe for
// concurrent use.
type Server struct {
	o        Options
	password string
	log      *serverLog

	// life is held while the server starts or stops, which can take long on a
	// failing disk.
	life   sync.Mutex
	closed bool // under life

	// running is nil between a stop and the next start. Connecting must not
	// wait for life: nats.go keeps every publish waiting meanwhile.
	running atomic.Pointer[server.Server]
}

// New returns a server that is not running, with a random password.
func New(o Options) *Server {
	return &Server{o: o, password: rand.Text(), log: &serverLog{logf: o.Logf, onError: o.Failing}}
}

// Password returns the password that clients need.
func (e *Server) Password() string { return e.password }

// Running reports whether the server is running.
func (e *Server) Running() bool { return e.running.Load() != nil }

// Start runs the server, and returns when it is ready, has failed to start, or
// ctx is done.
func (e *Server) Start(ctx context.Context) error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return errors.New("the store is closed")
	}
	s, err := server.NewServer(e.options())
	if err != nil {
		return fmt.Errorf("start the store in %s: %w", e.o.Dir, err)
	}
	e.log.starts()
	defer e.log.started()
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	if err := e.ready(ctx, s); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("start the store in %s: %w", e.o.Dir, err)
	}
	e.running.Store(s)
	return nil
}

func (e *Server) options() *server.Options {
	return &server.Options{
		ServerName: "mender-webhooks",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		NoSigs:     true,
		// With a password in its options, the server would log a warning at each start.
		CustomClientAuthentication: passwordCheck(e.password),
		MaxPayload:                 maxPayload,
		MaxPending:                 maxPending,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               filepath.Join(e.o.Dir, Directory),
		// Only the stream's own limit should apply. The default would be a share of
		// the free space at start, which shrinks as events are stored.
		JetStreamMaxStore:  math.MaxInt64,
		JetStreamMaxMemory: 16 << 20,
		SyncInterval:       syncInterval,
		SyncAlways:         e.o.Sync,
	}
}

// ready waits until a server that was started accepts connections.
func (e *Server) ready(ctx context.Context, s *server.Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("the server did not become ready in time"))
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
		return errors.New(cmp.Or(text, "JetStream is not enabled"))
	}
	return nil
}

// Health returns why the server cannot store events in a stream, as far as it
// knows.
func (e *Server) Health(stream string) error {
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
func (e *Server) InProcessConn() (net.Conn, error) {
	s := e.running.Load()
	if s == nil {
		return nil, errors.New("the store is not running")
	}
	return s.InProcessConn()
}

// passwordCheck is a password. As the server's authentication, it accepts only clients
// that send it.
type passwordCheck string

// Check reports whether a client sent the password. The server calls it for each
// connection.
func (p passwordCheck) Check(c server.ClientAuthentication) bool {
	got := c.GetOpts().Password
	return subtle.ConstantTimeCompare([]byte(p), []byte(got)) == 1
}

// Address returns the URL at which other processes on this machine reach the
// server, or "" if it is not running.
func (e *Server) Address() string {
	if s := e.running.Load(); s != nil {
		return "nats://" + s.Addr().String()
	}
	return ""
}

// Stop stops the server and returns when it has ended. If the disk does not respond,
// Stop waits until it does.
func (e *Server) Stop() {
	e.life.Lock()
	defer e.life.Unlock()
	e.shutdown()
}

func (e *Server) shutdown() {
	if s := e.running.Swap(nil); s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// Close stops the server for good.
func (e *Server) Close() {
	e.life.Lock()
	defer e.life.Unlock()
	e.shutdown()
	e.closed = true
}

// Connect returns a connection within this process, which reconnects when the
// server restarts.
func (e *Server) Connect() (*nats.Conn, error) {
	nc, err := nats.Connect("", append(connOptions(e.password), nats.InProcessServer(e))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the store in %s: %w", e.o.Dir, err)
	}
	return nc, nil
}

// Dial connects to a server of another process on this machine.
func Dial(url, password string) (*nats.Conn, error) {
	return nats.Connect(url, append(connOptions(password), nats.Timeout(time.Second))...)
}

func connOptions(password string) []nats.Option {
	return []nats.Option{
		nats.UserInfo(natsUser, password),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectPause),
		nats.ReconnectJitter(reconnectPause, reconnectPause),
		nats.IgnoreAuthErrorAbort(),
		// Without a server, refuse events immediately instead of buffering them.
		nats.ReconnectBufSize(-1),
		// The default handler prints to stderr. Relevant errors are returned by
		// the call that failed.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
}
