package relay

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestRemovingADeadLetterThatIsGone is the race of an event that dies again
// before its old letter is removed.
func TestRemovingADeadLetterThatIsGone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(ctx, StoreOptions{Dir: t.TempDir(), Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.removeDead(ctx, 12345); err != nil {
		t.Errorf("in an empty stream: %v", err)
	}
	for range 2 { // the second takes the first one's place
		if _, err := s.js.PublishMsg(ctx, nats.NewMsg(s.subject("dead", "an-id"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.removeDead(ctx, 1); err != nil {
		t.Errorf("replaced by another: %v", err)
	}
}
