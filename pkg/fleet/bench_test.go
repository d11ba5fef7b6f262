package fleet_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// BenchmarkTransfer fetches the pages of a scan, and BenchmarkCompare also decodes
// them and compares the devices with the known state.
func BenchmarkTransfer(b *testing.B) {
	g, client := serve(b, *manyDevices)
	for b.Loop() {
		for first := -1; first < g.n-1; first += pageSize {
			body := `{"filters":[]}`
			if first >= 0 {
				body = fmt.Sprintf(`{"filters":[{"value":"%08x"}]}`, first)
			}
			resp, err := http.Post(client.Server()+searchPath, "application/json", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	b.ReportMetric(float64(b.N*g.n)/b.Elapsed().Seconds(), "devices/s")
}

func BenchmarkCompare(b *testing.B) {
	g, client := serve(b, *manyDevices)
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
		if report, err := r.Run(b.Context()); err != nil || report.Devices != g.n || report.Missed > 0 {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	run() // the first one records them
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.N*g.n)/b.Elapsed().Seconds(), "devices/s")
}
