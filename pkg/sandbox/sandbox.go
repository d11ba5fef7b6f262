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

// week is how long the open source server keeps events and sessions.
const week = 7 * 24 * time.Hour

// Options say how a Sandbox differs from an open source server with address
// checks off, no data, no faults. The zero value differs in nothing.
type Options struct {
	// CheckAddresses refuses webhook URLs whose host has a reserved address
	// (loopback, private …), when they are set and when they are connected
	// to, as Mender does unless told otherwise.
	CheckAddresses bool
	// Scopes plays an Enterprise server: integrations keep their scopes, the
	// inventory scope brings inventory events, users have roles, tokens a
	// tenant and a plan.
	Scopes bool
	// DeliveryTimeout is for a whole delivery; 0 is webhook.DeliveryTimeout.
	DeliveryTimeout time.Duration
	// EventTTL is how long events stay in the log; 0 is a week.
	EventTTL time.Duration
	// SessionTTL is how long a login lasts; 0 is a week.
	SessionTTL time.Duration
	// StateFile keeps everything over restarts, tokens and secrets included:
	// it is written with mode 0600, a moment after each change and in Close.
	StateFile string
	// History is the number of events to start with, spread over the last
	// week. Nothing is added to what a StateFile brings.
	History int
	// Seed makes History, faults and the fleet repeatable. 0 is a seed too.
	Seed uint64
	// FailRate is the share, 0 to 1, of management requests that are answered
	// with 500, 503 or 429, or cut off, before anything is done.
	FailRate float64
	// Latency is added to each management request.
	Latency time.Duration
	// RateLimit is how many management requests a user may make in each
	// RateInterval (0 is a minute) before 429 with Retry-After; 0 is no limit.
	RateLimit    int
	RateInterval time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logf is told of each request and delivery in a line that is safe for a
	// terminal and holds no secrets; nil for none. It is called from several
	// goroutines.
	Logf func(format string, args ...any)

	key *rsa.PrivateKey // signs tokens; for tests, which start many
}

// Sandbox is a stand-in for a Mender server: an http.Handler. All methods
// are safe for concurrent use.
type Sandbox struct {
	opts     Options
	key      *rsa.PrivateKey
	sender   *webhook.Sender
	services []service
	flights  flights
	faults   *faults
	saver    *saver

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu          sync.Mutex
	closed      bool
	accounts    []*account
	tokens      []*token // oldest first
	integration *integration
	devices     map[string][]uuid.UUID // device → the integrations it is connected to
	log         eventLog

	adminToken string
}

// New starts a Sandbox. The error says what is wrong with an option or with
// the state file.
func New(o Options) (*Sandbox, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Sandbox{opts: o, devices: map[string][]uuid.UUID{}, log: eventLog{ttl: o.EventTTL}}
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
		if err := s.save(); err != nil { // rather now than when there is much to lose
			return nil, err
		}
		s.saver = startSaver(s.save)
	}
	return s, nil
}

func (o *Options) complete() error {
	if o.FailRate < 0 || o.FailRate > 1 {
		return fmt.Errorf("sandbox: the share of failures is %v: give a number from 0 to 1", o.FailRate)
	}
	if o.History < 0 || o.RateLimit < 0 || o.Latency < 0 || o.DeliveryTimeout < 0 {
		return errors.New("sandbox: history, rate limit, latency and delivery time-out can't be negative")
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

// Settle waits until no delivery is under way. The error is the context's.
func (s *Sandbox) Settle(ctx context.Context) error { return s.flights.wait(ctx) }

// Close ends what is under way, deliveries included, waits for it and saves
// the state. What a delivery that was cut off is about is not logged. Devices
// do nothing any more afterwards. A second Close does nothing.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	s.stop()
	_ = s.flights.wait(context.Background()) // it has no deadline to miss
	s.sender.Close()
	if s.saver == nil {
		return nil
	}
	return s.saver.close()
}

// now is the time as it is in answers and claims.
func (s *Sandbox) now() time.Time { return s.opts.Now().UTC() }

// milliseconds cuts a time as the server's database does.
func milliseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// random makes a repeatable source for one use of the seed.
func (o Options) random(use string) *rand.ChaCha8 {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(o.Seed >> (8 * i))
	}
	copy(seed[8:], use)
	return rand.NewChaCha8(seed)
}

// flights counts what is under way. Unlike a sync.WaitGroup it can be waited
// for with a context, and while more is added.
type flights struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0
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
