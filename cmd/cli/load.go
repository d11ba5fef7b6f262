package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// TriggerOptions are the flags of trigger.
type TriggerOptions struct {
	To          string
	Device      string
	Status      string
	DataFile    string
	Count       int
	Concurrency int
	Tamper      bool
	Unsigned    bool
	Duplicate   bool
	Shuffle     bool
	Secret      SecretFlags
}

// SigningSecret is none for --unsigned, and where none is given or kept.
func (o TriggerOptions) SigningSecret(ctx context.Context, a *App) (webhook.Secret, error) {
	if o.Unsigned {
		return webhook.Secret{}, nil
	}
	secret, err := o.Secret.One(ctx, a)
	if err == nil && secret.IsZero() && o.Tamper {
		return secret, Usagef("--tamper needs a secret: without a signature nothing can be seen of it")
	}
	return secret, err
}

// ExplainDelivery says what Mender would make of a failed delivery.
func ExplainDelivery(d webhook.Delivery) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(d.Err, &untrusted):
		return "Mender verifies a receiver's certificate against public authorities, and would fail too; --skip-verify goes on here all the same"
	case d.TimedOut():
		return "Mender gives a receiver 10 seconds; what takes longer never even reaches its log"
	case d.StatusCode >= 300 && d.StatusCode < 400:
		return "Mender does not follow redirects: give it the final URL"
	case d.StatusCode == 401:
		return "the receiver refused the signature: do both sides have the same secret?"
	case d.StatusCode == 0:
		return "no HTTP answer came: does the receiver listen there?"
	}
	return "Mender takes only a status under 300 for a success"
}

// Load sends the events of a trigger.
type Load struct {
	Sender  *webhook.Sender
	URL     string
	Secret  webhook.Secret
	Options TriggerOptions
	Event   func(n int) (webhook.Event, error)
}

// Deliver sends one event, with the faults that were asked for.
func (l Load) Deliver(ctx context.Context, event webhook.Event) (webhook.Delivery, error) {
	body, err := event.MarshalJSON()
	if err != nil {
		return webhook.Delivery{}, err
	}
	signed := body
	if l.Options.Tamper {
		body = tampered(body)
	}
	req, err := webhook.NewRequest(ctx, l.URL, body, l.Secret)
	if err != nil {
		return webhook.Delivery{}, err
	}
	if l.Options.Tamper {
		req.Header.Set(webhook.HeaderSignature, l.Secret.Sign(signed))
	}
	return l.Sender.Do(req), nil
}

// tampered changes one digit or letter in the middle, so that the body stays
// JSON and only the signature can tell.
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

// loadSummary is what a trigger of several events comes to.
type loadSummary struct {
	Sent       int            `json:"sent"`
	Succeeded  int            `json:"succeeded"`
	Failed     int            `json:"failed"`
	DurationMS float64        `json:"duration_ms"`
	Rate       float64        `json:"rate"` // deliveries a second
	LatencyMS  latencySummary `json:"latency_ms"`
	Statuses   map[string]int `json:"status_codes"`
	Errors     map[string]int `json:"errors,omitempty"`
}

type latencySummary struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// TriggerMany sends many events at a rate and prints how that went.
func TriggerMany(ctx context.Context, p *output.Printer, l Load) error {
	queue, stop := l.events(ctx)
	defer stop()
	results := make(chan []webhook.Delivery, l.Options.Concurrency)
	start := time.Now()
	for range l.Options.Concurrency {
		go func() { results <- l.worker(ctx, queue) }()
	}
	var all []webhook.Delivery
	for range l.Options.Concurrency {
		all = append(all, <-results...)
	}
	sum := summarize(all, time.Since(start))
	if err := p.Print(output.View{Value: sum, Fields: sum.fields()}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if want := l.wanted(); sum.Sent < want {
		return Failf(ExitFailed, "only %d of %d events could be made", sum.Sent, want)
	}
	if sum.Failed > 0 {
		return Failf(ExitFailed, "%d of %d deliveries failed", sum.Failed, sum.Sent)
	}
	return nil
}

func (l Load) wanted() int {
	if l.Options.Duplicate {
		return 2 * l.Options.Count
	}
	return l.Options.Count
}

// events makes the events in a goroutine of its own. They have their times in
// order; --shuffle sends them in another, within a window that bounds memory.
func (l Load) events(ctx context.Context) (<-chan webhook.Event, func()) {
	const window = 1000
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan webhook.Event, l.Options.Concurrency)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(queue)
		var held []webhook.Event
		flush := func() bool {
			if l.Options.Shuffle {
				rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			}
			for _, e := range held {
				select {
				case queue <- e:
				case <-ctx.Done():
					return false
				}
			}
			held = held[:0]
			return true
		}
		for n := range l.Options.Count {
			e, err := l.Event(n)
			if err != nil {
				return
			}
			held = append(held, e)
			if l.Options.Duplicate {
				held = append(held, e)
			}
			if (!l.Options.Shuffle || len(held) >= window) && !flush() {
				return
			}
		}
		flush()
	})
	return queue, func() { cancel(); wg.Wait() }
}

func (l Load) worker(ctx context.Context, queue <-chan webhook.Event) []webhook.Delivery {
	var done []webhook.Delivery
	for event := range queue {
		d, err := l.Deliver(ctx, event)
		if err != nil {
			d.Err = err
		}
		if errors.Is(d.Err, context.Canceled) {
			return done // cut off by Ctrl-C: it says nothing of the receiver
		}
		done = append(done, d)
	}
	return done
}

func summarize(all []webhook.Delivery, took time.Duration) loadSummary {
	s := loadSummary{
		Sent: len(all), DurationMS: Milliseconds(took), Statuses: map[string]int{},
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
	s.LatencyMS = latencySummary{
		P50: percentile(durations, 50), P90: percentile(durations, 90),
		P99: percentile(durations, 99), Max: percentile(durations, 100),
	}
	return s
}

// rootCause leaves out what differs between two failures for the same reason,
// such as the local port.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// percentile is the smallest duration that p percent of the sorted ones do
// not exceed, in milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return Milliseconds(sorted[max((len(sorted)*p+99)/100, 1)-1])
}

func (s loadSummary) fields() []output.Field {
	rows := [][2]string{
		{"Sent", fmt.Sprintf("%d in %.1f s, %.0f/s", s.Sent, s.DurationMS/1000, s.Rate)},
		{"Succeeded", fmt.Sprint(s.Succeeded)},
		{"Failed", fmt.Sprint(s.Failed)},
		{"Latency", fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms",
			s.LatencyMS.P50, s.LatencyMS.P90, s.LatencyMS.P99, s.LatencyMS.Max)},
	}
	for _, code := range SortedKeys(s.Statuses) {
		rows = append(rows, [2]string{"Status " + code, fmt.Sprint(s.Statuses[code])})
	}
	for _, text := range SortedKeys(s.Errors) {
		rows = append(rows, [2]string{"No answer", fmt.Sprintf("%d: %s", s.Errors[text], text)})
	}
	return Details(rows)
}
