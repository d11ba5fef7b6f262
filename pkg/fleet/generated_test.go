package fleet_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var manyDevices = flag.Int("fleet.devices", 50_000, "how many devices TestMemory and the benchmarks have")

const (
	pageSize   = 500
	searchPath = "/api/management/v2/inventory/filters/search"
	devicePath = "/api/management/v2/devauth/devices"
)

// generated is a Mender server with n devices, which it makes up for each page. They
// have the size of the recorded ones.
type generated struct {
	n int
	// every is 0, or which devices are rejected; the others are accepted.
	every atomic.Int64
	// requests counts requests, and bytes the size of the answers.
	requests, bytes atomic.Int64
}

func (g *generated) status(i int) webhook.DeviceStatus {
	if every := int(g.every.Load()); every > 0 && i%every == 0 {
		return webhook.StatusRejected
	}
	return webhook.StatusAccepted
}

// count returns how many devices have a status.
func (g *generated) count(status string) int {
	rejected := 0
	if every := int(g.every.Load()); every > 0 {
		rejected = (g.n + every - 1) / every
	}
	return map[string]int{"": g.n, "accepted": g.n - rejected, "rejected": rejected}[status]
}

// number returns which device is at a place in the list of its status.
func (g *generated) number(status string, place int) int {
	every := int(g.every.Load())
	switch {
	case status == "rejected":
		return place * every
	case every == 0:
		return place
	}
	return place + place/(every-1) + 1
}

const tail = "-0000-4000-8000-000000000000"

// numberOf returns which device has an id.
func numberOf(id string) int {
	n, _ := strconv.ParseInt(id[:8], 16, 64) // ids are made by this server
	return int(n)
}

func (g *generated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	list := func(first, last int, device func(int) string) {
		for i := first; i < last; i++ {
			if i > first {
				page.WriteByte(',')
			}
			page.WriteString(device(i))
		}
	}
	page.WriteByte('[')
	query := r.URL.Query()
	switch status := query.Get("status"); r.URL.Path {
	case searchPath:
		first := 0
		var q struct{ Filters []struct{ Value string } }
		if _ = json.NewDecoder(r.Body).Decode(&q); len(q.Filters) > 0 {
			first = numberOf(q.Filters[0].Value) + 1
		}
		list(first, min(first+pageSize, g.n), func(i int) string {
			return fmt.Sprintf(`{"id":"%08x%s","attributes":[{"name":"status","value":"%s","scope":"identity"}]}`, i, tail, g.status(i))
		})
	case devicePath:
		n, _ := strconv.Atoi(query.Get("page"))
		list((n-1)*pageSize, min(n*pageSize, g.count(status)), func(i int) string { return g.device(g.number(status, i)) })
	case devicePath + "/search":
		var q struct{ ID []string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		list(0, len(q.ID), func(i int) string { return g.device(numberOf(q.ID[i])) })
	}
	page.WriteByte(']')
	if r.URL.Path == devicePath+"/count" {
		page.Reset()
		fmt.Fprintf(&page, `{"count":%d}`, g.count(query.Get("status")))
	}
	g.requests.Add(1)
	g.bytes.Add(int64(page.Len()))
	_, _ = w.Write(page.Bytes())
}

// device returns a device as deviceauth has it.
func (g *generated) device(i int) string {
	const text = `{"id":"%08x%[2]s","identity_data":{"mac":"02:00:00:01:07:97","sku":"A-104"},"status":"%[3]s","decommissioning":false,` +
		`"created_ts":"2026-11-25T10:12:56.854Z","updated_ts":"2026-11-25T10:13:09.422Z","auth_sets":[{"id":"%08[1]x%[2]s",` +
		`"identity_data":{"mac":"02:00:00:01:07:97","sku":"A-104"},"pubkey":"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAh9tdg5OOMsWl9V5Mt0jTZnT84EtlE0qSPcXw0QNJuAk=\n-----END PUBLIC KEY-----\n",` +
		`"ts":"2026-11-25T10:12:56.906Z","status":"%[3]s"}]}`
	return fmt.Sprintf(text, i, tail, g.status(i))
}

// serve starts a server with n devices, and returns a client of it.
func serve(tb testing.TB, n int) (*generated, *mender.Client) {
	tb.Helper()
	g := &generated{n: n}
	server := httptest.NewServer(g)
	tb.Cleanup(server.Close)
	client, err := mender.New(mender.Options{Server: server.URL})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return g, client
}
