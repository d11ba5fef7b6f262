package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// fleetTick is the minimum time between two steps. At higher rates, a step
// makes several events at once, as on a real server.
const fleetTick = 5 * time.Millisecond

// RunFleet keeps simulated devices changing until the context ends, with rate
// events per second in total and at most the given number of devices at a time.
// Devices are provisioned, change their status (and their inventory, see
// ChangeInventory), and are decommissioned and replaced. It returns nil when the
// context ends, with deliveries possibly still running (see Settle), or an error
// about its arguments. A rate that is too high for the machine is not reached.
func (s *Sandbox) RunFleet(ctx context.Context, devices int, rate float64) error {
	if devices < 1 || !(rate > 0) {
		return fmt.Errorf("sandbox: invalid fleet of %d devices with %v events per second: both must be positive", devices, rate)
	}
	if rate > 1e6 {
		return fmt.Errorf("sandbox: invalid fleet: must send at most 1,000,000 events per second, not %v", rate)
	}
	source := s.opts.random("fleet")
	f := &fleet{box: s, source: source, random: rand.New(source), size: devices}
	ticker := time.NewTicker(max(fleetTick, time.Duration(float64(time.Second)/rate)))
	defer ticker.Stop()
	due, last := 0.0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Now()
		// Catch up after a busy moment, but not after a suspend.
		due = min(due+rate*now.Sub(last).Seconds(), max(rate, 1))
		last = now
		for ; due >= 1; due-- {
			f.step()
		}
	}
}

// fleet has the devices that RunFleet simulates.
type fleet struct {
	box    *Sandbox
	source *rand.ChaCha8
	random *rand.Rand
	size   int
	ids    []string
	status []webhook.DeviceStatus
	// accepted is a device that was provisioned but whose status is not yet
	// announced: a first acceptance is two events.
	accepted string
}

// step emits one event.
func (f *fleet) step() {
	if id := f.accepted; id != "" {
		f.accepted = ""
		f.announce(id, webhook.StatusAccepted)
		return
	}
	if len(f.ids) == 0 || (len(f.ids) < f.size && f.random.IntN(3) > 0) {
		f.join()
		return
	}
	i := f.random.IntN(len(f.ids))
	id := f.ids[i]
	switch n := f.random.IntN(100); {
	case f.status[i] == webhook.StatusRejected && n < 40:
		f.leave(i)
	case f.box.opts.Scopes && f.status[i] == webhook.StatusAccepted && n < 60:
		f.box.ChangeInventory(id, f.inventory())
	default:
		f.status[i] = f.next(f.status[i])
		f.announce(id, f.status[i])
	}
}

func (f *fleet) join() {
	id := uuid.Must(uuid.NewRandomFromReader(f.source)).String()
	f.ids, f.status = append(f.ids, id), append(f.status, webhook.StatusAccepted)
	if err := f.box.Provision(newDevice(f.random, id, f.box.now())); err != nil {
		f.box.opts.Logf("%v", err)
	}
	f.accepted = id
}

func (f *fleet) leave(i int) {
	id, last := f.ids[i], len(f.ids)-1
	f.ids[i], f.status[i] = f.ids[last], f.status[last]
	f.ids, f.status = f.ids[:last], f.status[:last]
	f.box.Decommission(id)
}

func (f *fleet) announce(id string, status webhook.DeviceStatus) {
	if err := f.box.SetStatus([]string{id}, status); err != nil {
		f.box.opts.Logf("%v", err)
	}
}

// next returns a status that can follow another.
func (f *fleet) next(from webhook.DeviceStatus) webhook.DeviceStatus {
	switch from {
	case webhook.StatusAccepted:
		if f.random.IntN(3) == 0 {
			return webhook.StatusPending
		}
		return webhook.StatusRejected
	case webhook.StatusRejected, webhook.StatusNoAuth:
		return webhook.StatusAccepted
	default:
		if f.random.IntN(4) == 0 {
			return webhook.StatusNoAuth
		}
		return webhook.StatusAccepted
	}
}

func (f *fleet) inventory() []webhook.InventoryAttribute {
	value := func(v any) json.RawMessage {
		raw, _ := json.Marshal(v) // numbers and strings
		return raw
	}
	return []webhook.InventoryAttribute{
		{Name: "artifact_name", Scope: "inventory", Value: value(fmt.Sprintf("release-%d", 1+f.random.IntN(9)))},
		{Name: "mem_free_kB", Scope: "inventory", Value: value(100000 + f.random.IntN(400000))},
		{Name: "ipv4_eth0", Scope: "inventory", Value: value(fmt.Sprintf("192.0.2.%d/24", 1+f.random.IntN(254)))},
	}
}
