package receiver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conns limits the number of connections. So that useless connections cannot
// keep others out, a new connection at the limit replaces the least useful one:
// see victim.
type conns struct {
	max          int
	writeTimeout time.Duration
	mu           sync.Mutex
	all          map[net.Conn]*conn
}

// conn is the state of a connection.
type conn struct {
	raw    net.Conn
	host   string
	busy   atomic.Bool  // a complete request was read and is in progress
	proven atomic.Bool  // it has delivered an event that was accepted
	since  atomic.Int64 // time of the last answer, or else of the connection; Unix nanoseconds

	reading atomic.Bool // a request is being read that has not reached a handler

	writeTimeout time.Duration
	limited      bool // a write deadline is set; used only by the connection's handlers, one at a time
}

type connKey struct{}

// connFrom returns the Server's state of the request's connection, or nil if
// another server handles the request.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// markBusy marks the connection as busy: its request is complete, so the
// connection must not be closed.
func (c *conn) markBusy() {
	if c != nil {
		c.busy.Store(true)
	}
}

// markProven marks the connection as one that delivered an accepted event.
func (c *conn) markProven() {
	if c != nil && !c.proven.Load() {
		c.proven.Store(true)
	}
}

// markIdle marks the connection as idle: its request is answered.
func (c *conn) markIdle(now time.Time) {
	if c != nil {
		c.since.Store(now.UnixNano())
		c.busy.Store(false)
	}
}

// limitWriting sets a write deadline for an answer with a body. An answer without
// one fits into the socket's buffer. If it does not, because the sender reads no
// answers, the connection is idle and can be replaced by a new one. A deadline
// for every answer would make each request about 10% slower.
func (c *conn) limitWriting(body bool) {
	switch {
	case c == nil:
	case body:
		_ = c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout)) // fails only if the connection is closed
		c.limited = true
	case c.limited:
		_ = c.raw.SetWriteDeadline(time.Time{})
		c.limited = false
	}
}

// add registers a new connection; it is for http.Server.ConnContext.
func (cs *conns) add(ctx context.Context, nc net.Conn) context.Context {
	c := &conn{raw: rawConn(nc), host: hostOf(nc), writeTimeout: cs.writeTimeout}
	c.since.Store(time.Now().UnixNano())
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.all) >= cs.max {
		key, victim := cs.victim(c.host)
		if victim == nil {
			_ = c.raw.Close() // all other connections are busy
			return ctx
		}
		delete(cs.all, key)
		_ = victim.raw.Close()
	}
	cs.all[nc] = c
	return context.WithValue(ctx, connKey{}, c)
}

// victim selects the connection to close, never one whose request is in progress.
// Connections without an accepted event come first: of the host with the most of
// them, the one that has been idle longest. After them comes the connection that
// has been idle longest.
func (cs *conns) victim(newcomer string) (key net.Conn, victim *conn) {
	waiting := map[string]int{newcomer: 1}
	for _, c := range cs.all {
		if !c.busy.Load() && !c.proven.Load() {
			waiting[c.host]++
		}
	}
	worse := func(a, b *conn) bool {
		if pa, pb := a.proven.Load(), b.proven.Load(); pa != pb {
			return pb
		} else if !pa && waiting[a.host] != waiting[b.host] {
			return waiting[a.host] > waiting[b.host]
		}
		return a.since.Load() < b.since.Load()
	}
	for k, c := range cs.all {
		if !c.busy.Load() && (victim == nil || worse(c, victim)) {
			key, victim = k, c
		}
	}
	return key, victim
}

// state removes closed connections; it is for http.Server.ConnState.
func (cs *conns) state(nc net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		cs.mu.Lock()
		delete(cs.all, nc)
		cs.mu.Unlock()
	}
}

// count returns how many connections are open.
func (cs *conns) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// working reports whether any request is in progress.
func (cs *conns) working() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.all {
		if c.busy.Load() {
			return true
		}
	}
	return false
}

// flushTime is how long an answer may take to reach the network after its
// handler has finished.
const flushTime = 100 * time.Millisecond

// cutWaiting closes all connections that are neither busy nor just answered.
func (cs *conns) cutWaiting() {
	recent := time.Now().Add(-flushTime).UnixNano()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.all {
		if !c.busy.Load() && c.since.Load() < recent {
			_ = c.raw.Close()
		}
	}
}

// rawConn returns the connection below TLS. Closing the TLS connection would send
// an alert first, which can take seconds if the other side does not read.
func rawConn(nc net.Conn) net.Conn {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return nc
}

func hostOf(nc net.Conn) string {
	addr := nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
