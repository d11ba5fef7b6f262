package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// fleetTick is the shortest time between two looks at what is due: at high
// rates several events come at once, as they do on a real server.
const fleetTick = 5 * time.Millisecond

// RunFleet keeps simulated devices changing until the context ends: rate
// events a second in all, from at most so many devices at a time. Devices
// are accepted for the first time, change their status (and their inventory,
// see ChangeInventory), and are decommissioned and replaced by new ones. It
// returns nil once the context has ended; deliveries may still be under way:
// see Settle. The error is about the arguments. A rate far beyond what the
// machine can do is not reached.
func (s *Sandbox) RunFleet(ctx context.Context, devices int, rate float64) error {
	if devices < 1 || !(rate > 0) {
		return fmt.Errorf("sandbox: a fleet of %d devices with %v events a second: both must be more than 0", devices, rate)
	}
	if rate > 1e6 {
		return errors.New("sandbox: a fleet can't make more than a million events a second")
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
		// A machine that was busy catches up; one that slept does not.
		due = min(due+rate*now.Sub(last).Seconds(), max(rate, 1))
		last = now
		for ; due >= 1; due-- {
			f.step()
		}
	}
}

// fleet is the devices that RunFleet simulates.
type fleet struct {
	box    *Sandbox
	source *rand.ChaCha8
	random *rand.Rand
	size   int
	ids    []string
	status []webhook.DeviceStatus
	// accepted is a device whose status is still to be told: a first
	// acceptance is two events.
	accepted string
}

// step makes one event.
func (f *fleet) step() {
	if id := f.accepted; id != "" {
		f.accepted = ""
		f.tell(id, webhook.StatusAccepted)
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
		f.tell(id, f.status[i])
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

func (f *fleet) tell(id string, status webhook.DeviceStatus) {
	if err := f.box.SetStatus([]string{id}, status); err != nil {
		f.box.opts.Logf("%v", err)
	}
}

// next is a status that can follow another.
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
