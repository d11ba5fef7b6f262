package fleet

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

var manyDevices = flag.Int("fleet.devices", 50_000, "how many devices TestMemory scans")

// generated is a Mender with n devices that takes no memory. Every step-th device has
// changed.
type generated struct {
	*world
	n, step int
	peak    uint64
	changed bool
}

func deviceID(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i) }

func (g *generated) status(i int) webhook.DeviceStatus {
	if g.changed && i%g.step == 0 {
		return webhook.StatusRejected
	}
	return webhook.StatusAccepted
}

func (g *generated) ScanDevices(_ context.Context, after string) iter.Seq2[mender.DeviceState, error] {
	return func(yield func(mender.DeviceState, error) bool) {
		for i := range g.n {
			if i%20_000 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				g.peak = max(g.peak, m.HeapAlloc)
			}
			if id := deviceID(i); id > after && !yield(mender.DeviceState{ID: id, Status: g.status(i)}, nil) {
				return
			}
		}
	}
}

func (g *generated) CountDevices(_ context.Context, status webhook.DeviceStatus) (n int, _ error) {
	for i := range g.n {
		if g.status(i) == status {
			n++
		}
	}
	return n, nil
}

// Memory does not depend on how many devices there are.
func TestMemory(t *testing.T) {
	g := &generated{world: newWorld(), n: *manyDevices, step: 1000}
	path := filepath.Join(t.TempDir(), "state")
	run := func() (Report, error) {
		state, err := OpenState(path, owner)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = state.Close() }()
		r := &Reconciler{Devices: g, Log: g, State: state, DryRun: g.changed, Settle: time.Millisecond, Secret: func() webhook.Secret { return webhook.Secret{} }}
		return r.Run(t.Context())
	}
	if r, err := run(); err != nil || r.Baseline != g.n {
		t.Fatalf("%+v, %v", r, err)
	}
	g.changed = true
	for i := range g.n {
		if i%g.step == 0 {
			g.auth[deviceID(i)] = mender.Device{ID: deviceID(i), Status: g.status(i)}
		}
	}
	if r, err := run(); err != nil || r.Missed != g.n/g.step {
		t.Fatalf("%+v, %v", r, err)
	}
	if g.peak > 16<<20 {
		t.Errorf("the scan of %d devices had %d MiB in use", g.n, g.peak>>20)
	}
	t.Logf("%d devices: at most %d KiB in use", g.n, g.peak>>10)
}
