package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
)

// monitor serves metrics, /healthz and /readyz until the returned function is
// called. It does nothing if nl is nil.
func (l *Listener) monitor(nl net.Listener) (stop func()) {
	if nl == nil {
		return func() {}
	}
	m := newMetrics()
	l.hub.Tap(m.count)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		p := &page{}
		m.write(p, l.set.Load().all)
		l.writeMetrics(p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(p.Bytes()) // the client may have disconnected
	})
	// healthz: the process is running. readyz: it can accept events.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", l.readyz)
	srv := receiver.NewServer(receiver.ServerOptions{Handler: mux, MaxConns: monitorConns, Warn: l.o.Server.Warn})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ctx, nl) // until it is closed
	}()
	return func() {
		cancel()
		_ = srv.Close() // nothing that matters is in progress
		<-served
	}
}

// readyz names the endpoints that cannot accept events. It answers 503 only if none
// can: otherwise, a load balancer would keep the events of the others away, too.
func (l *Listener) readyz(w http.ResponseWriter, r *http.Request) {
	failed := each(l.set.Load().all, func(e served) error { return e.explain(e.sink.ready(r.Context())) })
	err := errors.Join(failed...)
	switch {
	case err == nil:
		fmt.Fprintln(w, "ok")
	case slices.Contains(failed, nil):
		fmt.Fprintln(w, err)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
