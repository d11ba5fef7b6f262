package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// stuck is a target that accepts every event except one.
type stuck struct{ taken chan string }

func (s stuck) Deliver(_ context.Context, e target.Event) target.Result {
	if e.ID == "stuck" {
		return target.Result{Status: 503, Err: errors.New("not now")}
	}
	s.taken <- e.ID
	return target.Result{Status: 204}
}
func (stuck) String() string { return "stuck" }
func (stuck) Close() error   { return nil }

func TestDeliveredEventsMakeRoomBehindOneThatFails(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			dir := t.TempDir()
			app := stuck{make(chan string, 1000)}
			open := func() *Store {
				s := mustOpen(t, StoreOptions{Dir: dir, MaxBytes: 64 << 10, AckWait: 200 * time.Millisecond})
				if _, err := s.Forward(ForwardOptions{Target: app, Concurrency: 4, MinPause: time.Minute}); err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := open()
			mustPublish(t, s.Queue, "stuck", Stored)
			for n := range 60 {
				if restart && n%20 == 10 {
					mustClose(t, s)
					s = open()
				}
				e := testEvent(fmt.Sprint("e", n))
				e.Body = []byte(strings.Repeat("x", 10<<10))
				waitFor(t, e.ID+" is stored", func() bool {
					outcome, _ := s.Publish(t.Context(), e)
					return outcome == Stored
				})
				if id := <-app.taken; id != e.ID {
					t.Fatalf("%s came, not %s", id, e.ID)
				}
			}
			if e, err := s.Show(t.Context(), "stuck"); err != nil || e.State != Waiting {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}
