package receiver

import (
	"hash/maphash"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/ring"
)

// recent remembers the ids of the most recent events. It stores them as hashes,
// so that long ids need no more memory than short ones. It is safe for
// concurrent use.
type recent struct {
	seed maphash.Seed
	mu   sync.Mutex
	ids  *ring.Map[uint64, struct{}] // nil if nothing is remembered
}

func newRecent(size int) *recent {
	r := &recent{seed: maphash.MakeSeed()}
	if size > 0 {
		r.ids = ring.New[uint64, struct{}](size)
	}
	return r
}

// look reports whether id is known, and remembers it if keep is set.
func (r *recent) look(id string, keep bool) bool {
	if r.ids == nil {
		return false
	}
	hash := maphash.String(r.seed, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.ids.Get(hash)
	if keep && !known {
		r.ids.Put(hash, struct{}{})
	}
	return known
}
