package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestFleet(t *testing.T) {
	const devices, enough = 8, 400
	for _, enterprise := range []bool{false, true} {
		c, hook := start(t, Options{Scopes: enterprise}), startHook(t)
		c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","scopes":["deviceauth","inventory"],"credentials":{"type":"http","http":{"url":"`+hook.URL+`"}}}`).
			expect(t, 201, "")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.box.RunFleet(ctx, devices, 2000) }()
		for deadline := time.Now().Add(20 * time.Second); len(hook.received()) < enough; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d events in 20 s", len(hook.received()))
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.settle()
		checkLives(t, hook.received(), devices, enterprise)
	}
}

// checkLives checks that devices are provisioned once and cause no events after
// they are decommissioned. Deliveries arrive in any order, so it sorts them by
// time.
func checkLives(t *testing.T, events []webhook.Event, devices int, enterprise bool) {
	t.Helper()
	types := map[webhook.EventType]int{}
	born, gone := map[string]time.Time{}, map[string]time.Time{}
	for _, e := range events {
		types[e.Type]++
		switch e.Type {
		case webhook.DeviceProvisioned:
			if _, twice := born[e.DeviceID()]; twice {
				t.Errorf("%s is provisioned twice", e.DeviceID())
			}
			born[e.DeviceID()] = e.Time
		case webhook.DeviceDecommissioned:
			gone[e.DeviceID()] = e.Time
		}
	}
	for _, e := range events {
		from, known := born[e.DeviceID()]
		until, ended := gone[e.DeviceID()]
		if !known || e.Time.Before(from) || (ended && e.Time.After(until)) {
			t.Errorf("%s of a device that is not there: born %v, gone %v: %s at %v", e.Type, from, until, e.Data, e.Time)
		}
	}
	if alive := len(born) - len(gone); alive < 1 || alive > devices {
		t.Errorf("%d devices at the end, want up to %d", alive, devices)
	}
	for _, typ := range webhook.EventTypes() {
		if (types[typ] > 0) != (enterprise || typ != webhook.DeviceInventoryChanged) {
			t.Errorf("enterprise %v: events %v", enterprise, types)
		}
	}
}

func TestFleetRate(t *testing.T) {
	c, hook := start(t, Options{}), startHook(t)
	c.webhook(hook.URL)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := c.box.RunFleet(ctx, 5, 100); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if n := len(hook.received()); n < 50 || n > 100 { // fewer on a busy machine, but never more
		t.Errorf("%d events in a second, want about 100", n)
	}
}

func TestFleetEndsWithTheSandbox(t *testing.T) {
	c := start(t, Options{})
	done := make(chan error)
	go func() { done <- c.box.RunFleet(context.Background(), 1, 1) }()
	if err := c.box.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFleetArguments(t *testing.T) {
	c := start(t, Options{})
	for _, bad := range []struct {
		devices int
		rate    float64
	}{{0, 1}, {1, 0}, {1, -1}, {1, 1e9}} {
		if err := c.box.RunFleet(t.Context(), bad.devices, bad.rate); err == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
}
