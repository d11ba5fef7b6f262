package sandbox

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// week is the lifetime of events and sessions on the open source server.
const week = 7 * 24 * time.Hour

// Options configures a Sandbox. The zero value is an open source server without
// address checks, data or faults.
type Options struct {
	// CheckAddresses refuses webhook URLs whose host has a reserved address
	// (loopback, private …), when they are set and when they are used, as
	// Mender does by default.
	CheckAddresses bool
	// Scopes simulates an Enterprise server: integrations have scopes, the
	// inventory scope enables inventory events, users have roles, and tokens
	// have a tenant and a plan.
	Scopes bool
	// DeliveryTimeout limits a delivery; 0 means webhook.DeliveryTimeout.
	DeliveryTimeout time.Duration
	// EventTTL is the lifetime of events in the log; 0 means a week.
	EventTTL time.Duration
	// SessionTTL is the lifetime of a session; 0 means a week.
	SessionTTL time.Duration
	// StateFile preserves the state across restarts, including tokens and
	// secrets. It is written with mode 0600, shortly after each change and in
	// Close.
	StateFile string
	// History is the number of events to start with, spread over the last
	// week. It has no effect if StateFile exists.
	History int
	// Seed makes history, faults and fleet reproducible. 0 is a valid seed.
	Seed uint64
	// FailRate is the share, from 0 to 1, of management requests that fail
	// before they have an effect: with 500, 503, 429 or a closed connection.
	FailRate float64
	// Lose is the share, from 0 to 1, of deliveries that run into Mender's time
	// limit: they reach neither the receiver nor the log.
	Lose float64
	// LoseEvents is the share, from 0 to 1, of changes of devices for which no
	// event is made at all.
	LoseEvents float64
	// Latency is added to each management request.
	Latency time.Duration
	// RateLimit is the number of management requests per user and
	// RateInterval (0 means a minute); others are answered with 429 and
	// Retry-After. 0 means no limit.
	RateLimit    int
	RateInterval time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logf logs each request and delivery in a line without secrets that is
	// safe for a terminal. It must be safe for concurrent use; nil logs
	// nothing.
	Logf func(format string, args ...any)

	key *rsa.PrivateKey // signs tokens; set by tests, because generating one is slow
}

// Sandbox is an http.Handler that stands in for a Mender server. All methods
// are safe for concurrent use.
type Sandbox struct {
	opts     Options
	key      *rsa.PrivateKey
	sender   *webhook.Sender
	services []service
	flights  flights
	faults   *faults
	saver    *saver

	ctx  context.Context // canceled by Close
	stop context.CancelFunc

	mu          sync.Mutex
	closed      bool
	accounts    []*account
	tokens      []*token // oldest first
	integration *integration
	devices     map[string][]uuid.UUID // ids of the integrations that a device is connected to
	log         eventLog
	registry    registry

	adminToken string
}

// New starts a Sandbox. It fails if an option is invalid or the state file
// cannot be read or written.
func New(o Options) (*Sandbox, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Sandbox{opts: o, devices: map[string][]uuid.UUID{}, log: eventLog{ttl: o.EventTTL}, registry: newRegistry()}
	s.accounts = newAccounts(o.Now())
	s.faults = newFaults(o)
	restored, err := s.restore()
	if err != nil {
		return nil, err
	}
	if !restored {
		if s.key = o.key; s.key == nil {
			s.key, err = newKey()
		}
		if err != nil {
			return nil, err
		}
		s.addHistory(o.History)
	}
	sender := webhook.SenderOptions{Timeout: o.DeliveryTimeout}
	if o.CheckAddresses {
		sender.CheckAddress = checkDialed
	}
	s.sender = webhook.NewSender(sender)
	s.services = s.newServices()
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.firstTokens(); err != nil {
		return nil, err
	}
	if o.StateFile != "" {
		if err := s.save(); err != nil { // fail early if the file is not writable
			return nil, err
		}
		s.saver = startSaver(s.save)
	}
	return s, nil
}

// setDefaults checks the options and fills in defaults.
func (o *Options) setDefaults() error {
	for name, share := range map[string]float64{"fail rate": o.FailRate, "share of lost deliveries": o.Lose, "share of lost events": o.LoseEvents} {
		if share < 0 || share > 1 {
			return fmt.Errorf("sandbox: invalid %s %v: must be from 0 to 1", name, share)
		}
	}
	if o.History < 0 || o.RateLimit < 0 || o.Latency < 0 || o.DeliveryTimeout < 0 {
		return errors.New("sandbox: history, rate limit, latency and delivery timeout must not be negative")
	}
	for _, d := range []*time.Duration{&o.EventTTL, &o.SessionTTL} {
		if *d <= 0 {
			*d = week
		}
	}
	if o.RateInterval <= 0 {
		o.RateInterval = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return nil
}

// Settle waits until no delivery is in progress. It fails only if the context
// ends.
func (s *Sandbox) Settle(ctx context.Context) error { return s.flights.wait(ctx) }

// Close cancels deliveries in progress, without logging their events, waits for
// them to end, and saves the state. No further events are emitted. A second
// call does nothing.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	s.stop()
	_ = s.flights.wait(context.Background()) // cannot fail without a deadline
	s.sender.Close()
	if s.saver == nil {
		return nil
	}
	return s.saver.close()
}

// now returns the time in UTC, as in responses and claims.
func (s *Sandbox) now() time.Time { return s.opts.Now().UTC() }

// milliseconds truncates a time as the server's database does.
func milliseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// random returns a reproducible source, independent for each use.
func (o Options) random(use string) *rand.ChaCha8 {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(o.Seed >> (8 * i))
	}
	copy(seed[8:], use)
	return rand.NewChaCha8(seed)
}

// flights counts deliveries in progress. Unlike with a sync.WaitGroup, wait takes
// a context, and begin may be called meanwhile.
type flights struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n becomes 0
}

func (f *flights) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		f.idle = make(chan struct{})
	}
	f.n++
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 {
		close(f.idle)
	}
}

func (f *flights) wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		n, idle := f.n, f.idle
		f.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
