package ring_test

import (
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

func TestTheOldestKeyIsForgotten(t *testing.T) {
	m := ring.New[string, int](2)
	m.Put("a", 1)
	m.Put("b", 2)
	m.Put("a", 3) // it is still the oldest
	m.Put("c", 4)
	m.Put("d", 5)
	for key, want := range map[string]int{"c": 4, "d": 5} {
		if got, ok := m.Get(key); !ok || got != want {
			t.Errorf("%s: %d, %v", key, got, ok)
		}
	}
	for _, key := range []string{"a", "b"} {
		if _, ok := m.Get(key); ok {
			t.Errorf("%s is still there", key)
		}
	}
}
