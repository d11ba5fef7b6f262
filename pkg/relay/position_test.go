package relay

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAStretchOfTheQueue(t *testing.T) {
	s := mustOpen(t, StoreOptions{Dir: t.TempDir(), MaxBytes: 8 << 10})
	for i := range 4 {
		mustPublish(t, s.Queue, fmt.Sprint("e", i), Stored)
	}
	p, err := s.Position(t.Context())
	if err != nil || p.First != 1 || p.Last != 4 || p.Stream == "" {
		t.Fatalf("%+v, %v", p, err)
	}
	var ids []string
	for e, err := range s.Stretch(t.Context(), 1, 3) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	if got := strings.Join(ids, " "); got != "e1 e2" {
		t.Errorf("got %s", got)
	}
	if crowded, err := s.Crowded(t.Context()); crowded || err != nil {
		t.Errorf("crowded: %t, %v", crowded, err)
	}
	large := testEvent("large")
	large.Body = []byte(strings.Repeat("x", 4<<10))
	if outcome, err := s.Publish(t.Context(), large); outcome != Stored {
		t.Fatal(err)
	}
	if crowded, err := s.Crowded(t.Context()); !crowded || err != nil {
		t.Errorf("crowded: %t, %v", crowded, err)
	}
}

// Delivered events are retained until MarkRead says that they were read.
func TestCleanUpStopsAtUnreadEvents(t *testing.T) {
	for name, test := range map[string]struct {
		read func(Position) *Position
		want uint64
	}{
		"never read":       {func(Position) *Position { return nil }, 5},
		"read in part":     {func(p Position) *Position { p.Last = 2; return &p }, 3},
		"all read":         {func(p Position) *Position { return &p }, 5},
		"of an old stream": {func(Position) *Position { return &Position{Stream: "old", Last: 1} }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			app := stuck{make(chan string, 10)}
			s := sharedQueue(t, QueueOptions{Keep: time.Nanosecond}) // without upkeep
			s.read = (&Store{o: StoreOptions{Dir: dir}}).lastRead
			f, err := s.Forward(ForwardOptions{Target: app})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Stop(context.Background()) })
			for i := range 4 {
				mustPublish(t, s, fmt.Sprint("e", i), Stored)
				<-app.taken
			}
			now, err := s.Position(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if p := test.read(now); p != nil {
				if err := MarkRead(dir, *p); err != nil {
					t.Fatal(err)
				}
			}
			waitFor(t, "the events are removed", func() bool {
				s.look(t.Context(), nil)
				s.prune(t.Context())
				p, err := s.Position(t.Context())
				if p.First > test.want {
					t.Fatalf("the first event is %d, want %d", p.First, test.want)
				}
				return err == nil && p.First == test.want
			})
		})
	}
}
