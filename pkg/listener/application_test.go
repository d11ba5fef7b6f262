package listener

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// answering is a target with a fixed result that counts its events.
type answering struct {
	result target.Result
	got    *int
}

func (a answering) Deliver(context.Context, target.Event) target.Result { *a.got++; return a.result }
func (a answering) String() string                                      { return "http://app" }
func (a answering) Close() error                                        { return nil }

func TestEveryTargetGetsAnEventAgain(t *testing.T) {
	got := 0
	good := answering{target.Result{Status: 204, Duration: time.Second}, &got}
	bad := answering{target.Result{Status: 500, Duration: time.Second, Err: errors.New("failed")}, &got}
	if r := application(newOutlets([]Target{{Target: bad}})).Deliver(t.Context(), target.Event{}); r.Err == nil || r.Err.Error() != "failed" {
		t.Errorf("one target: %+v", r)
	}
	got = 0
	all := application(newOutlets([]Target{
		{Route: relay.Route{Name: "a"}, Target: good}, {Route: relay.Route{Name: "b"}, Target: bad}, {Route: relay.Route{Name: "c"}, Target: good},
	}))
	r := all.Deliver(t.Context(), target.Event{})
	if got != 3 || r.Status != 500 || r.Err == nil || r.Err.Error() != "b: failed" || r.Duration != 3*time.Second {
		t.Errorf("%d deliveries: %+v", got, r)
	}
	none := answering{target.Result{Skipped: true, Duration: time.Second}, &got}
	some := application(newOutlets([]Target{{Target: none}, {Target: bad}, {Target: none}}))
	if r := some.Deliver(t.Context(), target.Event{}); r.Status != 500 || r.Skipped || r.Duration != 3*time.Second {
		t.Errorf("one target wants the event: %+v", r)
	}
	if r := application(newOutlets([]Target{{Target: none}})).Deliver(t.Context(), target.Event{}); !errors.Is(r.Err, errExcluded) {
		t.Errorf("no target wants the event: %+v", r)
	}
	if all.String() != "http://app, http://app, http://app" {
		t.Error(all.String())
	}
}
