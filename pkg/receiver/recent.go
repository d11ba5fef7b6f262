package receiver

import (
	"hash/maphash"
	"sync"
)

// recent remembers the ids of the last few events, as hashes, so that long
// ids cost no more than short ones. Two ids that fall together would only
// mark a record wrongly, once in some 10^19 pairs.
type recent struct {
	size int
	seed maphash.Seed

	mu   sync.Mutex
	ring []uint64
	next int
	have map[uint64]struct{}
}

func newRecent(size int) *recent {
	return &recent{
		size: size,
		seed: maphash.MakeSeed(),
		ring: make([]uint64, 0, size),
		have: make(map[uint64]struct{}, size),
	}
}

// look reports whether id is known, and remembers it if keep is set.
func (r *recent) look(id string, keep bool) bool {
	if r.size == 0 {
		return false
	}
	h := maphash.String(r.seed, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.have[h]; known || !keep {
		return known
	}
	if len(r.ring) < r.size {
		r.ring = append(r.ring, h)
	} else {
		delete(r.have, r.ring[r.next])
		r.ring[r.next] = h
		r.next = (r.next + 1) % r.size
	}
	r.have[h] = struct{}{}
	return false
}
