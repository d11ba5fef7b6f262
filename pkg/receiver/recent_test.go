package receiver

import (
	"strconv"
	"sync"
	"testing"
)

// TestRecentFromManyGoroutines looks for races, and checks that of several
// goroutines with the same id exactly one is first.
func TestRecentFromManyGoroutines(t *testing.T) {
	t.Parallel()
	r := newRecent(64)
	var mu sync.Mutex
	first := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 50 {
				id := strconv.Itoa(n)
				if !r.look(id, true) {
					mu.Lock()
					first[id]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for id, n := range first {
		if n != 1 {
			t.Errorf("%s was new %d times", id, n)
		}
	}
}
