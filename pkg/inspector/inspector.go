// Package inspector serves a web page on this machine that shows a listener's
// requests: each with its verdict, headers, body and the attempts to forward it.
// The page can send a request to the application again, manage the queue, and show
// what Mender's log says beside what arrived.
//
//	ins, err := inspector.New(inspector.Options{Listener: l})
//	…
//	socket, err := net.Listen("tcp", "127.0.0.1:4040")
//	fmt.Println("open", ins.URL(socket.Addr()))
//	err = ins.Serve(ctx, socket) // until ctx is done
//
// # Who can use it
//
// Only a browser that was given the URL: its fragment has a random token, which
// the page sends in a header with each request. The server answers only requests
// whose Host and Origin are its own address, so that neither another site nor a
// name that resolves to this machine can reach it. Serve refuses an address that
// other machines can reach.
//
// No secret ever leaves the process through the page, and headers that may hold
// credentials are masked before they enter the hub's history.
package inspector

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// DefaultAddr is the address to serve the page on unless it is in use.
const DefaultAddr = "127.0.0.1:4040"

// Options are the settings of an Inspector.
type Options struct {
	// Listener is the listener to show. Its hub keeps a history for as long as
	// Serve runs. Its targets receive the requests that a user sends again.
	Listener *listener.Listener
	// Edit allows users to send copies with another body, which are signed with the
	// first secret of the endpoint.
	Edit bool
	// Log, if not nil, returns the newest events of Mender's log for an endpoint, the newest
	// first. It is called when a user opens the log, perhaps several times at once.
	Log func(ctx context.Context, endpoint string) ([]mender.Event, error)
}

// Inspector is the server of the page. It is safe for concurrent use.
type Inspector struct {
	o       Options
	history history.History
	token   string
}

// New returns an Inspector with a new token.
func New(o Options) *Inspector {
	return &Inspector{o: o, token: rand.Text(), history: history.History{Listener: o.Listener}}
}

// URL returns the URL of the page at an address, with its token. It gives
// access to all requests: show it only to the user.
func (i *Inspector) URL(addr net.Addr) string { return "http://" + addr.String() + "/#" + i.token }

// Serve serves the page until ctx is done, and closes the socket. It returns a
// *fault.Error of kind Usage if other machines can reach the socket.
func (i *Inspector) Serve(ctx context.Context, socket net.Listener) error {
	if !listener.LoopbackOnly([]net.Addr{socket.Addr()}) {
		return errors.Join(fault.Usagef("invalid address %s for the inspector: must be a loopback address", socket.Addr()), socket.Close())
	}
	release := i.o.Listener.Hub().KeepHistory()
	defer release()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler:           i.handler(socket.Addr()),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return serving }, // ends streams
	}
	ended := context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing that must be finished
	defer ended()
	if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
