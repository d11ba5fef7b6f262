package fleet_test

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fleet"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// heap returns how many bytes the heap has, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// cost is what a run needed.
type cost struct {
	heap            uint64
	requests, bytes int64
	file            int64
}

// measure makes a run over HTTP, with everything in one process.
func measure(t *testing.T, g *generated, client *mender.Client, path string, change func(*fleet.Reconciler)) (fleet.Report, cost) {
	t.Helper()
	state, err := fleet.OpenState(path, fleet.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	runtime.GC() // of earlier tests
	requests, bytes, peak := g.requests.Load(), g.bytes.Load(), uint64(0)
	r := &fleet.Reconciler{
		Devices: client, Log: eventlog.New(client), State: state, Settle: time.Millisecond, DryRun: true,
		Secret:   func() webhook.Secret { return webhook.Secret{} },
		Progress: func(fleet.Progress) { peak = max(peak, heap()) },
	}
	change(r)
	report, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return report, cost{peak, g.requests.Load() - requests, g.bytes.Load() - bytes, info.Size()}
}

// Memory does not depend on how many devices there are. The limit includes the server,
// which is in the same process.
func TestMemory(t *testing.T) {
	const limit, every = 64 << 20, 1000
	n := *manyDevices
	g, client := serve(t, n)
	path := filepath.Join(t.TempDir(), "state")
	for _, run := range []struct {
		name   string
		every  int64
		change func(*fleet.Reconciler)
	}{
		{"the first run", 0, func(r *fleet.Reconciler) { r.DryRun = false }},
		{"without differences", 0, func(*fleet.Reconciler) {}},
		{"with differences", every, func(*fleet.Reconciler) {}},
		{"deep, with differences", every, func(r *fleet.Reconciler) { r.Deep = true }},
	} {
		g.every.Store(run.every)
		began := time.Now()
		report, c := measure(t, g, client, path, run.change)
		t.Logf("%s: %d devices in %s: %d requests, %.1f MB received, %.1f MiB on the heap, %.1f MB in the file", run.name, report.Devices,
			time.Since(began).Round(time.Millisecond), c.requests, float64(c.bytes)/1e6, float64(c.heap)/(1<<20), float64(c.file)/1e6)
		if missed := g.count("rejected"); report.Devices != n || report.Missed != missed {
			t.Errorf("%s: %+v, want %d devices and %d missed", run.name, report, n, missed)
		}
		if c.heap > limit {
			t.Errorf("%s: %d MiB on the heap", run.name, c.heap>>20)
		}
	}
}
