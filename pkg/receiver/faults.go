package receiver

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// fault returns the simulated status for an event. A status of 300 or more is
// returned without calling Accept; a lower one replaces the status of a success.
// 0 changes nothing.
func (rc *Receiver) fault() int {
	bad := http.StatusInternalServerError
	if rc.o.Respond >= 300 {
		bad = rc.o.Respond
	}
	switch {
	case rc.o.FailRate == 0:
		return rc.o.Respond
	case rand.Float64() < rc.o.FailRate:
		return bad
	case rc.o.Respond >= 300:
		return 0
	}
	return rc.o.Respond
}

// delay waits for Options.Delay. It ends early if the sender disconnects or the
// Server stops.
func (rc *Receiver) delay(r *http.Request) {
	if rc.o.Delay == 0 {
		return
	}
	timer := time.NewTimer(rc.o.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-stopping(r.Context()):
	}
}
