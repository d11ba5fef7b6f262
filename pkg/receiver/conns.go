package receiver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conns keeps the number of connections bounded without letting those that
// hold one for nothing shut others out: at the limit, a newcomer takes the
// place of the connection that deserves it least.
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
	busy   atomic.Bool  // it brought a whole request, which is being worked on
	proven atomic.Bool  // it brought an event that was taken
	since  atomic.Int64 // when it last had an answer, or came; Unix nanoseconds

	reading atomic.Bool // a request is being read that has not reached a handler

	writeTimeout time.Duration
	limited      bool // a limit on writing is set; for its handlers, one after the other
}

type connKey struct{}

// connFrom returns what a Server keeps of the request's connection, or nil
// under another server.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// work says that the request is in, so that the connection is not to be cut.
func (c *conn) work() {
	if c != nil {
		c.busy.Store(true)
	}
}

// prove says that the connection brought an event that was taken.
func (c *conn) prove() {
	if c != nil && !c.proven.Load() {
		c.proven.Store(true)
	}
}

// rest says that the request is answered.
func (c *conn) rest(now time.Time) {
	if c != nil {
		c.since.Store(now.UnixNano())
		c.busy.Store(false)
	}
}

// limitWriting limits the time for an answer with a body. One without finds
// room in the socket's buffer; where it does not, since a sender reads none of
// its answers, the connection is at rest and can be cut for a newcomer. Setting
// a limit for each would cost a tenth of the time that a request takes.
func (c *conn) limitWriting(body bool) {
	switch {
	case c == nil:
	case body:
		_ = c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout)) // a closed connection needs none
		c.limited = true
	case c.limited:
		_ = c.raw.SetWriteDeadline(time.Time{})
		c.limited = false
	}
}

// add takes in a new connection; it is for http.Server.ConnContext.
func (cs *conns) add(ctx context.Context, nc net.Conn) context.Context {
	c := &conn{raw: rawConn(nc), host: hostOf(nc), writeTimeout: cs.writeTimeout}
	c.since.Store(time.Now().UnixNano())
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.all) >= cs.max {
		key, victim := cs.victim(c.host)
		if victim == nil {
			_ = c.raw.Close() // all the others are at work
			return ctx
		}
		delete(cs.all, key)
		_ = victim.raw.Close()
	}
	cs.all[nc] = c
	return context.WithValue(ctx, connKey{}, c)
}

// victim selects the connection to close: never one whose request is processed;
// first those that brought nothing yet, of the host that has most of them,
// the oldest; then, the longest idle.
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

// state forgets connections that ended; it is for http.Server.ConnState.
func (cs *conns) state(nc net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		cs.mu.Lock()
		delete(cs.all, nc)
		cs.mu.Unlock()
	}
}

// count returns how many connections there are.
func (cs *conns) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// working reports whether a request is being worked on.
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

// flushTime is how long an answer may take to reach the wire after the
// handler is done with it.
const flushTime = 100 * time.Millisecond

// cutWaiting closes all connections but those at work, or just answered.
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

// rawConn returns the connection below TLS: closing TLS itself sends an alert first,
// which can take seconds if the other side does not read.
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
