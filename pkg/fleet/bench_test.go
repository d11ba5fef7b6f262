package fleet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const benchDevices = 50_000

// generatedServer is an inventory and a deviceauth with benchDevices accepted devices.
func generatedServer(b *testing.B) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/management/v2/inventory/filters/search", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Filters []struct{ Value string } }
		_ = json.NewDecoder(r.Body).Decode(&q)
		first := 0
		if len(q.Filters) > 0 {
			_, _ = fmt.Sscanf(q.Filters[0].Value, "%08x", &first)
			first++
		}
		var page bytes.Buffer
		page.WriteByte('[')
		for i := first; i < min(first+500, benchDevices); i++ {
			if i > first {
				page.WriteByte(',')
			}
			fmt.Fprintf(&page, `{"id":"%08x-0000-4000-8000-000000000000","attributes":[{"name":"status","value":"accepted","scope":"identity"}]}`, i)
		}
		page.WriteByte(']')
		_, _ = w.Write(page.Bytes())
	})
	mux.HandleFunc("GET /api/management/v2/devauth/devices/count", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		if r.URL.Query().Get("status") == "accepted" {
			n = benchDevices
		}
		fmt.Fprintf(w, `{"count":%d}`, n)
	})
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	return server
}

// BenchmarkTransfer fetches the pages of a scan, and BenchmarkCompare also decodes
// them and compares the devices with the known state.
func BenchmarkTransfer(b *testing.B) {
	server := generatedServer(b)
	for b.Loop() {
		for first := -1; first < benchDevices-1; first += 500 {
			body := `{"filters":[]}`
			if first >= 0 {
				body = fmt.Sprintf(`{"filters":[{"value":"%08x"}]}`, first)
			}
			resp, err := http.Post(server.URL+"/api/management/v2/inventory/filters/search", "application/json", bytes.NewReader([]byte(body)))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	b.ReportMetric(float64(b.N*benchDevices)/b.Elapsed().Seconds(), "devices/s")
}

func BenchmarkCompare(b *testing.B) {
	client, err := mender.New(mender.Options{Server: generatedServer(b).URL})
	if err != nil {
		b.Fatal(err)
	}
	state, err := fleet.OpenState(filepath.Join(b.TempDir(), "state"), fleet.Owner{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	run := func() {
		r := &fleet.Reconciler{
			Devices: client, Log: eventlog.New(client), State: state, Settle: time.Millisecond,
			Secret: func() webhook.Secret { return webhook.Secret{} },
		}
		if report, err := r.Run(b.Context()); err != nil || report.Devices != benchDevices || report.Missed > 0 {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	if _, err := client.CountDevices(b.Context(), ""); err != nil { // to know the server's time
		b.Fatal(err)
	}
	run() // the first one records them
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.N*benchDevices)/b.Elapsed().Seconds(), "devices/s")
}
