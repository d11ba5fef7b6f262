package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// What a history looks like.
const (
	historyDevices  = 500
	historyFailures = 0.04 // the share of deliveries that failed
	historyURL      = "https://hooks.example.com/mender"
)

// addHistory fills the log with events of the last week, the same for a seed
// but for their times, which end now. They were delivered to the integration
// that exists, or else to one that is there no more.
func (s *Sandbox) addHistory(n int) {
	if n == 0 {
		return
	}
	source := s.opts.random("history")
	h := historian{source: source, random: rand.New(source), integration: uuid.Must(uuid.NewRandomFromReader(source))}
	for range min(historyDevices, n) {
		h.devices = append(h.devices, h.id())
	}
	now := milliseconds(s.now())
	span := min(s.opts.EventTTL, week)
	// One interval is left free at the old end: its event would expire while
	// it is read.
	step := span / time.Duration(n+1)
	s.log.entries = make([]logEntry, 0, n)
	for i := range n {
		jitter := time.Duration(h.random.Int64N(int64(step) + 1))
		at := milliseconds(now.Add(-step*time.Duration(n-1-i) - jitter))
		s.log.add(h.entry(at))
	}
}

// historian makes events up. Its source is also the only thing that makes
// ids, so that a seed gives the same ones.
type historian struct {
	source      *rand.ChaCha8
	random      *rand.Rand
	integration uuid.UUID
	devices     []string
}

func (h *historian) id() string { return uuid.Must(uuid.NewRandomFromReader(h.source)).String() }

func (h *historian) entry(at time.Time) logEntry {
	id, device := h.id(), h.random.IntN(len(h.devices))
	data := h.data(device, at)
	var typ webhook.EventType
	switch d := data.(type) {
	case webhook.StatusChange:
		typ = webhook.DeviceStatusChanged
	case webhook.Decommission:
		typ = webhook.DeviceDecommissioned
		h.devices[device] = h.id()
	default:
		typ = webhook.DeviceProvisioned
		data, _ = canonical(d) // a device of our own making
	}
	raw, _ := json.Marshal(data)
	status := deliveryStatus{IntegrationID: h.integration, Success: true}
	h.outcome(&status)
	entry, _ := newLogEntry(loggedEvent{ID: id, Type: typ, Data: raw, Time: at, DeliveryStatuses: []deliveryStatus{status}})
	return entry
}

func (h *historian) data(device int, at time.Time) any {
	id := h.devices[device]
	switch n := h.random.IntN(100); {
	case n < 12:
		return newDevice(h.random, id, at)
	case n < 16:
		return webhook.Decommission{ID: id}
	default:
		statuses := []webhook.DeviceStatus{
			webhook.StatusAccepted, webhook.StatusAccepted, webhook.StatusAccepted, webhook.StatusPending,
			webhook.StatusPending, webhook.StatusRejected, webhook.StatusNoAuth, webhook.StatusPreauthorized,
		}
		return webhook.StatusChange{ID: id, Status: statuses[h.random.IntN(len(statuses))]}
	}
}

// outcome gives most deliveries a success, and some the failures that Mender
// logs, in its words.
func (h *historian) outcome(status *deliveryStatus) {
	if h.random.Float64() >= historyFailures {
		ok := []int{200, 200, 204, 202}
		status.StatusCode = &ok[h.random.IntN(len(ok))]
		return
	}
	status.Success = false
	errors := []string{
		"dial tcp 203.0.113.7:443: connect: connection refused",
		"EOF",
		"dial tcp: lookup hooks.example.com on 10.0.0.10:53: no such host",
		"tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
	}
	codes := []int{500, 500, 502, 503, 302, 410}
	if n := h.random.IntN(len(errors) + len(codes)); n < len(errors) {
		status.Error = fmt.Sprintf("Post %q: %s", historyURL, errors[n])
	} else {
		code := codes[n-len(errors)]
		status.StatusCode = &code
		status.Error = (&webhook.StatusError{StatusCode: code}).Error()
	}
}

// newDevice makes up a device that was just accepted.
func newDevice(random *rand.Rand, id string, at time.Time) webhook.Device {
	created := milliseconds(at.Add(-time.Duration(random.Int64N(int64(10 * time.Minute)))))
	mac := random.Uint32()
	identity := fmt.Sprintf(`{"mac":"52:54:%02x:%02x:%02x:%02x","sku":"A-%d"}`, byte(mac>>24), byte(mac>>16), byte(mac>>8), byte(mac), 100+random.IntN(5))
	return webhook.Device{
		ID:     id,
		Status: webhook.StatusAccepted,
		AuthSets: []webhook.AuthSet{{
			ID:           uuid.NewSHA1(uuid.NameSpaceURL, []byte("authset:"+id)).String(),
			DeviceID:     id,
			IdentityData: json.RawMessage(identity),
			PubKey:       "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA" + id[:8] + "\n-----END PUBLIC KEY-----\n",
			Status:       webhook.StatusAccepted,
			TS:           &created,
		}},
		CreatedTS: &created,
	}
}
