package listener

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func received(id string, body int) Received {
	return Received{Exchange: receiver.Exchange{Request: receiver.Request{ID: id, Body: make([]byte, body)}}}
}

// ids returns the ids of the buffered events.
func ids(s *Subscription) []string {
	s.Close()
	var got []string
	for e := range s.Events(context.Background()) {
		got = append(got, e.(Received).ID)
	}
	return got
}

func TestASlowSubscriberDelaysNoOne(t *testing.T) {
	var h Hub
	slow, quick := h.Subscribe(SubscribeOptions{}), h.Subscribe(SubscribeOptions{})
	counted := 0
	h.Tap(func(Event) { counted++ })
	const published = maxBuffered + 10
	read := make(chan int)
	go func() {
		n := 0
		for range quick.Events(context.Background()) {
			if n++; n == maxBuffered {
				break
			}
		}
		read <- n
	}()
	for n := range published {
		h.publish(received(fmt.Sprint(n), 0))
	}
	if n := <-read; n != maxBuffered {
		t.Errorf("the quick one read %d", n)
	}
	if slow.Dropped() != 10 || slow.Buffered() != maxBuffered {
		t.Errorf("the slow one: %d dropped, %d buffered", slow.Dropped(), slow.Buffered())
	}
	if counted != published {
		t.Errorf("%d counted", counted)
	}
	if got := ids(slow); len(got) != maxBuffered || got[0] != "0" {
		t.Errorf("the slow one got %d events", len(got))
	}
}

func TestBuffersAndHistoryAreBoundedInBytes(t *testing.T) {
	var h Hub
	s := h.Subscribe(SubscribeOptions{History: true})
	for n := range 40 {
		h.publish(received(fmt.Sprint(n), 1<<20))
	}
	if d := s.Dropped(); d < 8 || d > 10 {
		t.Errorf("%d of 40 dropped", d)
	}
	late := h.Subscribe(SubscribeOptions{History: true})
	got := ids(late)
	if len(got) < 30 || len(got) > 32 || got[len(got)-1] != "39" {
		t.Errorf("the history: %v", got)
	}
}

func TestHistoryLastsWhileSomeoneNeedsIt(t *testing.T) {
	var h Hub
	plain := h.Subscribe(SubscribeOptions{})
	h.publish(received("before", 0))
	keeper := h.Subscribe(SubscribeOptions{History: true})
	for n := range maxHistory + 1 {
		h.publish(received(fmt.Sprint(n), 0))
	}
	late := h.Subscribe(SubscribeOptions{History: true})
	h.publish(received("live", 0))
	got := ids(late)
	if len(got) != maxHistory+1 || got[0] != "1" || got[maxHistory] != "live" {
		t.Errorf("%d events from %s to %s", len(got), got[0], got[len(got)-1])
	}
	keeper.Close()
	if again := ids(h.Subscribe(SubscribeOptions{History: true})); len(again) != 0 {
		t.Errorf("%d events are retained for no one", len(again))
	}
	plain.Close()
	if h.isWatched() != false {
		t.Error("watched by no one")
	}
}

func TestSubscribersSeeNoCredentials(t *testing.T) {
	var h Hub
	s := h.Subscribe(SubscribeOptions{})
	r := received("e", 0)
	r.Header = http.Header{
		"Authorization": {"Basic c2VjcmV0"}, "Cookie": {"a=c2VjcmV0"}, "X-Api-Key": {"c2VjcmV0"},
		"X-Men-Signature": {"00ff"}, "Content-Type": {"application/json"},
	}
	r.Answer.Header = http.Header{"Set-Cookie": {"a=c2VjcmV0"}}
	h.publish(r)
	h.close()
	for e := range s.Events(t.Context()) {
		got := e.(Received)
		if text := fmt.Sprint(got.Header, got.Answer.Header); strings.Contains(text, "c2VjcmV0") || !strings.Contains(text, "Basic ***") {
			t.Error(text)
		}
		if !slices.Equal(got.Header["X-Men-Signature"], []string{"00ff"}) {
			t.Error("the signature is gone")
		}
	}
	if r.Header.Get("Cookie") == "***" {
		t.Error("the request itself was changed")
	}
}
