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

// The limits of a Server that is not told others.
const (
	DefaultMaxConns          = 1024
	DefaultMaxHeaderBytes    = 16 << 10
	DefaultReadHeaderTimeout = 10 * time.Second
	// DefaultReadTimeout is for a whole request. Mender has given up by then.
	DefaultReadTimeout = 10 * time.Second
	// DefaultWriteTimeout is for writing an answer that has a body.
	DefaultWriteTimeout = 30 * time.Second
	// DefaultIdleTimeout is longer than the 90 s for which Mender keeps a
	// connection it may use again: else an event could be sent into the
	// moment in which the connection is closed.
	DefaultIdleTimeout = 120 * time.Second
	DefaultGrace       = 10 * time.Second
)

// lastWord is how long a connection may take, after the Server was told to
// stop, to bring a request that was already on its way.
const lastWord = time.Second

// ErrCutOff says that requests were still being worked on when the Server's
// grace ended, and were cut off.
var ErrCutOff = errors.New("requests that were still being worked on were cut off")

// ServerOptions are a Server's settings. Handler has to be given; what is
// zero takes its Default.
type ServerOptions struct {
	Handler http.Handler
	// TLS turns on TLS: see LoadTLS.
	TLS *tls.Config
	// MaxConns bounds the connections at one time. At the limit a new one
	// takes the place of one that brought nothing, or else of the one that
	// has been idle for longest, and never of one at work.
	MaxConns          int
	MaxHeaderBytes    int
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	WriteTimeout      time.Duration
	IdleTimeout       time.Duration
	// Grace is how long requests may go on after Serve was told to stop.
	Grace time.Duration
	// Trace is called with a line of text about each connection that brought
	// no request: failed TLS handshakes, plain HTTP on the TLS port, and
	// requests that are malformed or whose headers are too large. The text may
	// come from outside. nil drops it. It must not block.
	Trace func(text string)
	// Warn is called with other problems of the server, such as a lack of
	// descriptors for new connections. nil drops them. It must not block.
	Warn func(text string)
}

// Server serves a Receiver over HTTP/1.1, which is all that Mender speaks,
// within limits that slow, idle, oversized and countless requests can't get
// past. Make it with NewServer; it serves once.
type Server struct {
	o     ServerOptions
	http  *http.Server
	conns *conns
	now   context.Context // done: end at once
	end   context.CancelFunc

	cutOff     atomic.Bool   // Close found requests at work
	unreadable atomic.Uint64 // connections that brought no request that could be read
}

// NewServer makes a Server.
func NewServer(o ServerOptions) *Server {
	setDefault(&o.MaxConns, DefaultMaxConns)
	setDefault(&o.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&o.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	setDefault(&o.ReadTimeout, DefaultReadTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.IdleTimeout, DefaultIdleTimeout)
	setDefault(&o.Grace, DefaultGrace)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &Server{o: o, conns: &conns{max: o.MaxConns, writeTimeout: o.WriteTimeout, all: map[net.Conn]*conn{}}}
	s.now, s.end = context.WithCancel(context.Background())
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
		// OPTIONS * gets the Handler's 405, as everything else does.
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

// Unreadable returns how many connections failed before there was a request:
// in the TLS handshake, or because its headers were malformed or too large.
func (s *Server) Unreadable() uint64 { return s.unreadable.Load() }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if c := connFrom(r.Context()); c != nil {
		c.reading.Store(false)
	}
	s.o.Handler.ServeHTTP(w, r)
}

// state follows a connection: one that closes while a request is being read
// brought none. net/http answers those itself, such as with 431.
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
			s.traceUnreadable(fmt.Sprintf("a request from %s could not be read: it is malformed or broken off, or has headers over %d bytes",
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

// traceWriter passes on what net/http logs.
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

// Serve takes connections from the listeners, and closes these, until ctx is
// done. Then it takes no more, lets the requests that are in be finished
// within Grace, and returns nil, or ErrCutOff if some were not. Where a
// listener fails it stops in the same way, and returns the listener's error.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	defer s.end()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	base := context.WithValue(s.now, stopKey{}, ctx.Done())
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
	grace, cancel := context.WithTimeout(s.now, s.o.Grace)
	defer cancel()
	cut := time.AfterFunc(lastWord, s.conns.cutWaiting)
	defer cut.Stop()
	if s.http.Shutdown(grace) != nil {
		_ = s.Close()
		return ErrCutOff
	}
	if s.cutOff.Load() {
		return ErrCutOff
	}
	return nil
}

// Close makes Serve end at once, whatever is being worked on. It is for a
// second signal, and may be called from anywhere.
func (s *Server) Close() error {
	if s.conns.working() {
		s.cutOff.Store(true)
	}
	defer s.end() // handlers see that nobody waits for their answers any more
	return s.http.Close()
}

type stopKey struct{}

// stopping returns a channel that is closed when the Server is told to stop,
// while requests may still be finished; nil, which blocks, under another server.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return c
}
