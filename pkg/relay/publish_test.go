package relay

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// TestDuplicateWhileStoring simulates a cluster that has yet to agree on an
// event's first copy, with the answers of newer and older servers.
func TestDuplicateWhileStoring(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for i, busy := range []string{
		`{"error":{"code":400,"err_code":10158,"description":"duplicate message id is in process"},"stream":"S","seq":0}`,
		`{"stream":"S","seq":0,"duplicate":true}`,
	} {
		for _, after := range []int64{3, 1 << 40} {
			t.Run(fmt.Sprintf("%d/%d", i, after), func(t *testing.T) {
				var asked atomic.Int64
				o := QueueOptions{Prefix: fmt.Sprintf("p%d-%d", i, after), AckTimeout: 300 * time.Millisecond}.withDefaults()
				sub, err := nc.Subscribe(o.Prefix+".events.*", func(m *nats.Msg) {
					answer := busy
					if asked.Add(1) > after {
						answer = `{"stream":"S","seq":7,"duplicate":true}`
					}
					if err := m.Respond([]byte(answer)); err != nil {
						t.Error(err)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = sub.Unsubscribe() }()
				js, err := o.jetStream(nc)
				if err != nil {
					t.Fatal(err)
				}
				q := &Queue{o: o, nc: nc, js: js}
				outcome, err := q.Publish(t.Context(), testEvent("a"))
				if after == 3 && (outcome != Duplicate || err != nil) {
					t.Errorf("once it is stored: %s, %v", outcome, err)
				}
				if after > 3 && (outcome != Unavailable || !errors.Is(err, ErrUnavailable)) {
					t.Errorf("while it is being stored: %s, %v", outcome, err)
				}
			})
		}
	}
}
