package receiver

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// fault returns the status that an event is answered with in Accept's place
// (300 or more), or instead of Accept's own success (under 300); 0 is none.
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

// delay waits for Options.Delay, or until the sender goes away, or until the
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
