package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The default limits of a Server.
const (
	defaultMaxConns          = 1024
	defaultMaxHeaderBytes    = 16 << 10
	defaultReadHeaderTimeout = 10 * time.Second
	// defaultReadTimeout is the limit for reading a whole request. Mender gives
	// up after the same time.
	defaultReadTimeout = 10 * time.Second
	// defaultWriteTimeout is the limit for writing an answer with a body.
	defaultWriteTimeout = 30 * time.Second
	// defaultIdleTimeout is longer than the 90 s for which Mender keeps an idle
	// connection: otherwise an event could be sent while the connection is
	// being closed.
	defaultIdleTimeout = 120 * time.Second
	// DefaultGrace is how long requests in progress may take when a Server stops.
	DefaultGrace = 10 * time.Second
)

// reservedDescriptors is how many file descriptors, at most, are reserved for the
// rest of the process.
const reservedDescriptors = 256

// arrivalGrace is how long a stopping Server waits for requests that are already on
// their way.
const arrivalGrace = time.Second

// errCutOff reports that the grace period ended before all requests in progress
// were answered.
var errCutOff = errors.New("the grace period ended before all requests were answered")

// ServerOptions are the settings of a Server. Handler is required; a limit of 0
// means the default.
type ServerOptions struct {
	Handler http.Handler
	// TLS enables TLS: see LoadTLS.
	TLS *tls.Config
	// MaxConns is how many connections may be open. At the limit, a new connection
	// replaces one that has delivered no accepted event, or else the one that has
	// been idle longest, but never one whose request is in progress. The process's
	// limit of file descriptors may lower MaxConns, so that enough descriptors
	// remain for the store, the target and the log.
	MaxConns          int
	MaxHeaderBytes    int
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	WriteTimeout      time.Duration
	IdleTimeout       time.Duration
	// Grace is how long requests in progress may take when Serve stops.
	Grace time.Duration
	// Trace, if set, is called with a line of text about each connection that
	// failed before its request could be read: after a failed TLS handshake, plain
	// HTTP on the TLS port, or a request that is malformed or whose headers are
	// too large. The text may contain input from the sender. It must not block.
	Trace func(text string)
	// Warn, if set, is called with other problems of the server, such as a lack of
	// file descriptors for new connections. It must not block.
	Warn func(text string)
}

// Server serves a Receiver over HTTP/1.1, the only version that Mender uses. Its
// limits protect it from slow or oversized requests, and from idle or too many
// connections. Call Serve only once.
type Server struct {
	o     ServerOptions
	http  *http.Server
	conns *conns
	abort context.Context // done when Serve must end at once
	end   context.CancelFunc

	cutOff     atomic.Bool   // Close found requests in progress
	unreadable atomic.Uint64 // connections that failed before a request could be read
}

// NewServer returns a Server.
func NewServer(o ServerOptions) *Server {
	setDefault(&o.MaxConns, defaultMaxConns)
	limit := descriptorLimit()
	o.MaxConns = min(o.MaxConns, max(1, limit-min(limit/4, reservedDescriptors)))
	setDefault(&o.MaxHeaderBytes, defaultMaxHeaderBytes)
	setDefault(&o.ReadHeaderTimeout, defaultReadHeaderTimeout)
	setDefault(&o.ReadTimeout, defaultReadTimeout)
	setDefault(&o.WriteTimeout, defaultWriteTimeout)
	setDefault(&o.IdleTimeout, defaultIdleTimeout)
	setDefault(&o.Grace, DefaultGrace)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &Server{o: o, conns: &conns{max: o.MaxConns, writeTimeout: o.WriteTimeout, all: map[net.Conn]*conn{}}}
	s.abort, s.end = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         o.TLS,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		ReadTimeout:       o.ReadTimeout,
		IdleTimeout:       o.IdleTimeout,
		ErrorLog:          log.New(traceWriter{s}, "", 0),
		Protocols:         protocols,
		ConnContext:       s.conns.add,
		ConnState:         s.state,
		// OPTIONS * gets the Handler's 405 like everything else.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Conns returns how many connections are open.
func (s *Server) Conns() int { return s.conns.count() }

// Unreadable returns how many connections failed before their request could be
// read: in the TLS handshake, or because its headers were malformed or too large.
func (s *Server) Unreadable() uint64 { return s.unreadable.Load() }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if c := connFrom(r.Context()); c != nil {
		c.reading.Store(false)
	}
	s.o.Handler.ServeHTTP(w, r)
}

// state tracks a connection's state. A connection that closes before its request
// reaches a handler counts as unreadable: net/http has answered the request
// itself, for example with 431.
func (s *Server) state(nc net.Conn, state http.ConnState) {
	if state == http.StateActive || state == http.StateClosed {
		s.conns.mu.Lock()
		c := s.conns.all[nc]
		s.conns.mu.Unlock()
		switch {
		case c == nil:
		case state == http.StateActive:
			c.reading.Store(true)
		case c.reading.Load():
			s.traceUnreadable(fmt.Sprintf("a request from %s could not be read: it is malformed or incomplete, or its headers exceed %d bytes",
				nc.RemoteAddr(), s.o.MaxHeaderBytes))
		}
	}
	s.conns.state(nc, state)
}

func (s *Server) traceUnreadable(text string) {
	s.unreadable.Add(1)
	if s.o.Trace != nil {
		s.o.Trace(text)
	}
}

// traceWriter sends the log lines of net/http to Trace or Warn.
type traceWriter struct{ s *Server }

func (w traceWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.Contains(text, "TLS handshake error") {
		w.s.traceUnreadable(text)
	} else if w.s.o.Warn != nil {
		w.s.o.Warn(text)
	}
	return len(line), nil
}

// Serve accepts connections from the listeners until ctx is done, and then closes
// the listeners. It waits up to Grace for the requests in progress and returns
// nil, or an error if some were not answered. If a listener fails, Serve stops in
// the same way and returns the listener's error.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	defer s.end()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	base := context.WithValue(s.abort, stopKey{}, ctx.Done())
	s.http.BaseContext = func(net.Listener) context.Context { return base }

	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			serve := s.http.Serve
			if s.o.TLS != nil {
				serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
			}
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				stop(err)
			}
		})
	}
	<-ctx.Done()
	err := s.shutdown()
	serving.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return errors.Join(cause, err)
	}
	return err
}

func (s *Server) shutdown() error {
	grace, cancel := context.WithTimeout(s.abort, s.o.Grace)
	defer cancel()
	cut := time.AfterFunc(arrivalGrace, s.conns.cutWaiting)
	defer cut.Stop()
	if s.http.Shutdown(grace) != nil {
		_ = s.Close()
		return errCutOff
	}
	if s.cutOff.Load() {
		return errCutOff
	}
	return nil
}

// Close makes Serve end at once, even if requests are in progress. It is safe
// for concurrent use.
func (s *Server) Close() error {
	if s.conns.working() {
		s.cutOff.Store(true)
	}
	defer s.end() // so that handlers give up
	return s.http.Close()
}

type stopKey struct{}

// stopping returns a channel that is closed when the Server begins to stop. If
// another server handles the request, the channel is nil and blocks.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return c
}
