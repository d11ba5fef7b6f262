package history

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// The verdicts of events of Mender's log. An event without a delivery has none.
const (
	Delivered = "delivered"
	Failed    = "failed"
)

// The limits of a Log, the same as for a hub's history.
const (
	maxLogged      = 1000     // events
	maxLoggedBytes = 32 << 20 // of their JSON
)

// Log holds the last 1,000 events of Mender's log that were added to it, up to 32 MiB.
// The zero value is empty. A Log is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	events []mender.Event
	bytes  int
	added  uint64 // events so far; also the number of the last one
	counts map[string]uint64
}

// Add adds an event and returns its item.
func (l *Log) Add(e mender.Event) Item {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events, l.bytes, l.added = append(l.events, e), l.bytes+len(e.Raw()), l.added+1
	for len(l.events) > maxLogged || l.bytes > maxLoggedBytes {
		l.bytes -= len(l.events[0].Raw())
		l.events = slices.Delete(l.events, 0, 1)
	}
	item := LoggedItem(l.added, e)
	if l.counts == nil {
		l.counts = map[string]uint64{}
	}
	l.counts[item.Verdict]++
	return item
}

// Count returns how many events with the verdict were added.
func (l *Log) Count(verdict string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[verdict]
}

// Details returns the event with the number in full, or ErrGone.
func (l *Log) Details(number uint64) (Details, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.added - uint64(len(l.events)) + 1
	if number < first || number > l.added {
		return Details{}, ErrGone
	}
	e := l.events[number-first]
	body, err := e.Event.MarshalJSON()
	if err != nil {
		body = e.Raw()
	}
	d := Details{Item: LoggedItem(number, e), Body: strings.ToValidUTF8(string(body), "\uFFFD"), Binary: !utf8.Valid(body)}
	for _, s := range e.Deliveries() {
		d.Deliveries = append(d.Deliveries, fmt.Sprintf("integration %s: %s", s.IntegrationID, eventlog.OutcomeText(s)))
	}
	return d, nil
}

// LoggedItem returns the item of an event of Mender's log. Its outcome is that of the first
// delivery that failed, or else of the last one.
func LoggedItem(number uint64, e mender.Event) Item {
	item := Item{
		Number: number, Kind: Logged, At: e.Time, ID: e.ID, Type: string(e.Type), Device: e.DeviceID(), Status: string(e.DeviceStatus()),
	}
	for _, d := range e.Deliveries() {
		item.Answer, item.Verdict = d.StatusCode, Delivered
		if !d.Success {
			item.Verdict, item.Error = Failed, eventlog.WithoutRequest(eventlog.FailureText(d))
			break
		}
	}
	return item
}
