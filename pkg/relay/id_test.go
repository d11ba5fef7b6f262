package relay

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// refusing is a target that refuses every event permanently.
type refusing struct{ taking }

func (refusing) Deliver(context.Context, target.Event) target.Result {
	return target.Result{Status: 410, Err: errors.New("gone"), Permanent: true}
}

// An event is found by a unique prefix of its id, whether it waits or is dead.
func TestPrefixOfAnID(t *testing.T) {
	s := mustOpen(t, StoreOptions{Dir: t.TempDir()})
	mustPublish(t, s.Queue, "dead-1", Stored)
	dead := make(chan struct{}, 1)
	f, err := s.Forward(ForwardOptions{Target: refusing{}, Observe: func(step Step) {
		if step.Kind == StepDead {
			dead <- struct{}{}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-dead
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"waiting-1", "waiting-10", "waiting-2"} {
		mustPublish(t, s.Queue, id, Stored)
	}
	for prefix, want := range map[string]string{
		"dead": "dead-1", "waiting-1": "waiting-1", "waiting-10": "waiting-10", "waiting-2": "waiting-2", "nothing": "nothing",
	} {
		if got, err := s.ID(t.Context(), prefix); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", prefix, got, err, want)
		}
	}
	_, err = s.ID(t.Context(), "waiting")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "waiting-1, waiting-10, waiting-2") {
		t.Errorf("an ambiguous prefix: %v, hint %q", err, fault.HintOf(err))
	}
}
