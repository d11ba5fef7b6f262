package relay

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestRemovingADeadLetterThatIsGone removes a letter that was replaced, because
// its event became a dead letter again.
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
	for range 2 { // the second replaces the first
		if _, err := s.js.PublishMsg(ctx, nats.NewMsg(s.subject("dead", "an-id"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.removeDead(ctx, 1); err != nil {
		t.Errorf("replaced by another: %v", err)
	}
}

// An earlier retry may have stored the event and ended before it removed the
// dead letter. If that copy was dropped since, the acknowledgement of a
// duplicate does not mean that the event is in the queue.
func TestRetryOfALetterWhoseCopyWasDropped(t *testing.T) {
	s, err := Open(t.Context(), StoreOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	letter := &nats.Msg{Subject: s.subject("dead", "x"), Header: nats.Header{headerType: {"device-provisioned"}}}
	if _, err := s.js.PublishMsg(ctx, letter); err != nil {
		t.Fatal(err)
	}
	raw, err := s.dead.GetLastMsgForSubject(ctx, letter.Subject)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: s.subject("events", "device-provisioned"), Header: nats.Header{
		nats.MsgIdHdr: {retryID("x", raw)}, headerOriginal: {"x"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.events.DeleteMsg(ctx, ack.Sequence); err != nil {
		t.Fatal(err)
	}
	if err := s.Retry(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Show(ctx, "x"); err != nil || e.State != Waiting {
		t.Errorf("%s, %v", e.State, err)
	}
}
