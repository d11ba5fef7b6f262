package trigger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Load describes one or more events to send to one receiver. Sender, URL and Event
// are required.
type Load struct {
	Sender *webhook.Sender
	URL    string
	Secret webhook.Secret // zero leaves the events unsigned
	// Event returns the next event. It is called from only one goroutine.
	Event func() (webhook.Event, error)
	// Tamper alters one byte of each event after signing it.
	Tamper bool
	// Count is how many events Run creates, and Concurrency is how many it delivers
	// at the same time. For both, 0 means 1.
	Count, Concurrency int
	// Duplicate sends each event twice, and Shuffle sends them out of order.
	Duplicate, Shuffle bool
}

// Deliver sends one event. It fails only if the event or the URL is invalid; the
// Delivery holds the receiver's answer.
func (l Load) Deliver(ctx context.Context, event webhook.Event) (webhook.Delivery, error) {
	req, err := l.request(ctx, event)
	if err != nil {
		return webhook.Delivery{}, err
	}
	return Send(l.Sender, req), nil
}

// request returns the request that Deliver sends.
func (l Load) request(ctx context.Context, event webhook.Event) (*http.Request, error) {
	body, err := event.MarshalJSON()
	if err != nil {
		return nil, err
	}
	header := webhook.Header(body, l.Secret)
	if l.Tamper {
		body = tampered(body)
	}
	req, err := webhook.NewRequest(ctx, l.URL, body, webhook.Secret{})
	if err != nil {
		return nil, err
	}
	req.Header = header
	return req, nil
}

// tampered changes one digit in the second half of a body, so that the body is
// still JSON and only the signature reveals the change.
func tampered(body []byte) []byte {
	altered := slices.Clone(body)
	for i := len(altered) / 2; i < len(altered); i++ {
		if c := altered[i]; c >= '0' && c <= '8' {
			altered[i]++
			return altered
		}
	}
	altered[len(altered)-1] = ' '
	return altered
}

// Summary is the result of a load.
type Summary struct {
	Sent       int            `json:"sent"`
	Succeeded  int            `json:"succeeded"`
	Failed     int            `json:"failed"`
	DurationMS float64        `json:"duration_ms"`
	Rate       float64        `json:"rate"` // deliveries per second
	LatencyMS  latency        `json:"latency_ms"`
	Statuses   map[string]int `json:"status_codes"`
	Errors     map[string]int `json:"errors,omitempty"`
}

// latency is how long deliveries took, in milliseconds.
type latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Run delivers the events until all are sent or ctx is done. Deliveries that ctx
// interrupts are not counted. Run fails only if an event could not be created.
func (l Load) Run(ctx context.Context) (Summary, error) {
	l.Concurrency = max(l.Concurrency, 1)
	making, stop := context.WithCancel(ctx)
	defer stop()
	queue := make(chan webhook.Event, l.Concurrency)
	var makeErr error
	go func() {
		defer close(queue)
		makeErr = l.makeEvents(making, queue)
	}()
	deliveries := make([][]webhook.Delivery, l.Concurrency)
	start := time.Now()
	var workers sync.WaitGroup
	for i := range deliveries {
		workers.Go(func() { deliveries[i] = l.work(ctx, queue) })
	}
	workers.Wait()
	took := time.Since(start)
	stop()
	for range queue { // drain until it is closed: only then is makeErr final
		continue
	}
	return summarize(slices.Concat(deliveries...), took), makeErr
}

// shuffleWindow is how many events Shuffle mixes at once.
const shuffleWindow = 1000

// makeEvents creates the events. Their times are in order even if Shuffle sends
// them out of order.
func (l Load) makeEvents(ctx context.Context, queue chan<- webhook.Event) error {
	var batch []webhook.Event
	for n := range max(l.Count, 1) {
		e, err := l.Event()
		if err != nil {
			return err
		}
		batch = append(batch, e)
		if l.Duplicate {
			batch = append(batch, e)
		}
		if l.Shuffle && len(batch) < shuffleWindow && n < l.Count-1 {
			continue
		}
		if l.Shuffle {
			rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		}
		for _, e := range batch {
			select {
			case queue <- e:
			case <-ctx.Done():
				return nil
			}
		}
		batch = batch[:0]
	}
	return nil
}

func (l Load) work(ctx context.Context, queue <-chan webhook.Event) []webhook.Delivery {
	var done []webhook.Delivery
	for event := range queue {
		d, err := l.Deliver(ctx, event)
		if err != nil {
			d.Err = err
		}
		if errors.Is(d.Err, context.Canceled) {
			return done
		}
		done = append(done, d)
	}
	return done
}

func summarize(all []webhook.Delivery, took time.Duration) Summary {
	s := Summary{
		Sent: len(all), DurationMS: output.Milliseconds(took), Statuses: map[string]int{},
		Rate: float64(len(all)) / max(took.Seconds(), 1e-9),
	}
	durations := make([]time.Duration, 0, len(all))
	for _, d := range all {
		durations = append(durations, d.Duration)
		if d.StatusCode != 0 {
			s.Statuses[fmt.Sprint(d.StatusCode)]++
		}
		if d.Success() {
			s.Succeeded++
			continue
		}
		s.Failed++
		if d.StatusCode == 0 {
			if s.Errors == nil {
				s.Errors = map[string]int{}
			}
			s.Errors[output.MaskText(rootCause(d.Err).Error())]++
		}
	}
	slices.Sort(durations)
	s.LatencyMS = latency{
		P50: percentile(durations, 50), P90: percentile(durations, 90),
		P99: percentile(durations, 99), Max: percentile(durations, 100),
	}
	return s
}

// rootCause returns the innermost error. It lacks details such as the local port,
// so that failures with the same cause have the same text.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// percentile returns the p-th percentile of the sorted durations, in milliseconds:
// the smallest duration that at least p percent of the durations do not exceed.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return output.Milliseconds(sorted[max((len(sorted)*p+99)/100, 1)-1])
}
