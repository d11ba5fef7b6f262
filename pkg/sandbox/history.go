package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	historyDevices  = 500
	historyFailures = 0.04 // share of failed deliveries
	historyURL      = "https://hooks.example.com/mender"
)

// addHistory fills the log with n events of the last week. For a given seed
// they differ only in their times. They were delivered to an integration that
// no longer exists.
func (s *Sandbox) addHistory(n int) {
	if n == 0 {
		return
	}
	h := newHistorian(s.opts.random("history"), min(historyDevices, n))
	now := milliseconds(s.now())
	// Leave one step free at the old end, where events would expire while
	// they are read.
	step := min(s.opts.EventTTL, week) / time.Duration(n+1)
	s.log.entries = make([]logEntry, 0, n)
	for i := range n {
		jitter := time.Duration(h.random.Int64N(int64(step) + 1))
		s.log.add(h.entry(milliseconds(now.Add(-step*time.Duration(n-1-i) - jitter))))
	}
}

// historian makes up events. All its ids come from source, so that a seed
// always gives the same ones.
type historian struct {
	source      *rand.ChaCha8
	random      *rand.Rand
	integration uuid.UUID
	devices     []string
	statuses    []webhook.DeviceStatus
	successes   [][]byte // encoded delivery statuses
	failures    [][]byte
}

func newHistorian(source *rand.ChaCha8, devices int) *historian {
	h := &historian{source: source, random: rand.New(source)}
	h.integration = uuid.Must(uuid.NewRandomFromReader(source))
	for range devices {
		h.devices = append(h.devices, h.id())
	}
	h.statuses = []webhook.DeviceStatus{
		webhook.StatusAccepted, webhook.StatusAccepted, webhook.StatusAccepted, webhook.StatusPending,
		webhook.StatusPending, webhook.StatusRejected, webhook.StatusNoAuth, webhook.StatusPreauthorized,
	}
	for _, code := range []int{200, 200, 204, 202} {
		h.successes = append(h.successes, h.status(code, ""))
	}
	for _, code := range []int{500, 500, 502, 503, 302, 410} {
		h.failures = append(h.failures, h.status(code, (&webhook.StatusError{StatusCode: code}).Error()))
	}
	for _, cause := range []string{ // Go's messages, as Mender logs them
		"dial tcp 203.0.113.7:443: connect: connection refused",
		"EOF",
		"dial tcp: lookup hooks.example.com on 10.0.0.10:53: no such host",
		"tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
	} {
		h.failures = append(h.failures, h.status(0, fmt.Sprintf("Post %q: %s", historyURL, cause)))
	}
	return h
}

func (h *historian) status(code int, failure string) []byte {
	s := deliveryStatus{IntegrationID: h.integration, Success: failure == "", Error: failure}
	if code != 0 {
		s.StatusCode = &code
	}
	raw, _ := json.Marshal(s) // cannot fail for ids, numbers and strings
	return raw
}

func (h *historian) id() string { return uuid.Must(uuid.NewRandomFromReader(h.source)).String() }

// entry formats an event without encoding/json, which would take a second for
// 100,000 events.
func (h *historian) entry(at time.Time) logEntry {
	typ, data := h.data(at)
	status := pick(h.random, h.successes)
	if h.random.Float64() < historyFailures {
		status = pick(h.random, h.failures)
	}
	body := fmt.Appendf(nil, `{"id":"%s","type":"%s","data":%s,"time":"%s","delivery_statuses":[%s]}`,
		h.id(), typ, data, at.Format(time.RFC3339Nano), status)
	return logEntry{at: at, integration: h.integration, body: body}
}

func (h *historian) data(at time.Time) (webhook.EventType, string) {
	i := h.random.IntN(len(h.devices))
	id := h.devices[i]
	switch n := h.random.IntN(100); {
	case n < 8:
		raw, _ := canonical(newDevice(h.random, id, at)) // cannot fail for a device made up here
		return webhook.DeviceProvisioned, string(raw)
	case n < 12:
		h.devices[i] = h.id()
		return webhook.DeviceDecommissioned, `{"id":"` + id + `"}`
	default:
		return webhook.DeviceStatusChanged, `{"id":"` + id + `","status":"` + string(pick(h.random, h.statuses)) + `"}`
	}
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// newDevice makes up a device that was accepted recently.
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
