package relay_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// refusing is a target with the same result for all events.
type refusing target.Result

func (r refusing) Deliver(context.Context, target.Event) target.Result { return target.Result(r) }
func (refusing) String() string                                        { return "refusing" }
func (refusing) Close() error                                          { return nil }

func TestThePauseThatATargetAsksForIsHeeded(t *testing.T) {
	failed := errors.New("later")
	for name, test := range map[string]struct {
		asked, want time.Duration
	}{
		"asked for":        {30 * time.Minute, 30 * time.Minute},
		"up to MaxPause":   {3 * time.Hour, time.Hour},
		"and not shorter":  {time.Nanosecond, 500 * time.Microsecond},
		"not asked for it": {0, 500 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
			steps := make(chan relay.Step, 1)
			f := forward(t, s, relay.ForwardOptions{
				Target: refusing{Err: failed, Status: 503, RetryAfter: test.asked}, MinPause: time.Millisecond, MaxPause: time.Hour,
				Observe: func(step relay.Step) {
					select {
					case steps <- step:
					default:
					}
				},
			})
			publish(t, s, "a")
			step := <-steps
			if step.Pause < test.want || test.want > time.Second && step.Pause != test.want || test.want < time.Second && step.Pause > time.Millisecond {
				t.Errorf("pause %s, want %s", step.Pause, test.want)
			}
			if err := f.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEventThatATargetWillNeverTakeIsADeadLetter(t *testing.T) {
	s := openStore(t, relay.StoreOptions{Dir: t.TempDir()})
	forward(t, s, relay.ForwardOptions{Target: refusing{Err: errors.New("never"), Permanent: true}})
	publish(t, s, "a")
	eventually(t, "it is dead", func() bool { return len(listed(t, s, relay.Dead)) == 1 })
}
