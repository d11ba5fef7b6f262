package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrLeased reports that another process has the lease of Known.
var ErrLeased = errors.New("another process is reconciling this queue")

const (
	// knownPrefix begins the name of the file. A number follows, which is higher for
	// each lease.
	knownPrefix = "known.state."
	leaseKey    = "reconcile"
	// leaseTime is how long the lease of a process lasts that was killed.
	leaseTime  = time.Minute
	leaseRenew = leaseTime / 4
)

// Known is a file about the events of a queue, in an object store of the cluster, which
// one process at a time can change.
type Known struct {
	q       *Queue
	objects jetstream.ObjectStore
	leases  jetstream.KeyValue
	// name is the file's name under this lease. The file with the highest name counts:
	// a process that was paused, and saves without noticing that it lost the lease,
	// cannot replace what its successor has saved.
	name    string
	holder  []byte
	lost    context.Context
	lose    context.CancelCauseFunc
	renewal sync.WaitGroup

	mu       sync.Mutex
	revision uint64 // of the lease
}

// OpenKnown opens the file, and takes the lease until Close. The error wraps ErrLeased
// if another process has it.
func (q *Queue) OpenKnown(ctx context.Context) (*Known, error) {
	replicas := q.events.CachedInfo().Config.Replicas
	objects, err := q.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: q.streamName("KNOWN"), Description: "What the application knows of the devices", Replicas: replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open the object store: %w", readError(err))
	}
	leases, err := q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: q.streamName("LEASE"), Description: "Which process reconciles the devices", TTL: leaseTime, Replicas: replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open the lease: %w", readError(err))
	}
	k := &Known{q: q, objects: objects, leases: leases}
	host, _ := os.Hostname() // only for people
	k.holder = []byte(host + ", process " + strconv.Itoa(os.Getpid()))
	k.revision, err = leases.Create(ctx, leaseKey, k.holder)
	if errors.Is(err, jetstream.ErrKeyExists) {
		holder := "another host"
		if e, err := leases.Get(ctx, leaseKey); err == nil {
			holder = string(e.Value())
		}
		return nil, fmt.Errorf("%w: %s", ErrLeased, holder)
	}
	if err != nil {
		return nil, fmt.Errorf("acquire the lease: %w", readError(err))
	}
	k.lost, k.lose = context.WithCancelCause(context.Background())
	if err := k.nameFile(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	k.renewal.Go(k.renew)
	return k, nil
}

// nameFile sets the name. Revisions of the lease ascend, unless its bucket was created
// again.
func (k *Known) nameFile(ctx context.Context) error {
	_, newest, err := k.q.findKnown(ctx)
	if err != nil {
		return err
	}
	number := k.revision
	if newest != nil {
		last, _ := strconv.ParseUint(strings.TrimPrefix(newest.Name, knownPrefix), 10, 64) // 0 if it is not a number
		number = max(number, last+1)
	}
	k.name = fmt.Sprintf("%s%020d", knownPrefix, number)
	return nil
}

var errLeaseLost = errors.New("the lease was lost: another process may be reconciling this queue")

// renew keeps the lease until Close, or until it may have ended.
func (k *Known) renew() {
	until := time.Now().Add(leaseTime)
	for {
		select {
		case <-time.After(leaseRenew):
		case <-k.lost.Done():
			return
		}
		began := time.Now()
		err := k.extend(k.lost)
		switch {
		case err == nil:
			until = began.Add(leaseTime)
		case time.Until(until) < leaseRenew:
			k.lose(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		}
	}
}

// extend makes the lease last for leaseTime from now on. If another process has it,
// it is lost.
func (k *Known) extend(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	revision, err := k.leases.Update(ctx, leaseKey, k.holder, k.revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		k.lose(errLeaseLost)
		return errLeaseLost
	case err != nil:
		return fmt.Errorf("renew the lease: %w", readError(err))
	}
	k.revision = revision
	return nil
}

// Context returns a context that also ends when the lease is lost.
func (k *Known) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.lost, func() { cancel(context.Cause(k.lost)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Close releases the lease.
func (k *Known) Close() error {
	k.mu.Lock() // let a renewal end, so that the revision is known
	held := k.lost.Err() == nil
	k.lose(errLeaseLost)
	k.mu.Unlock()
	k.renewal.Wait()
	if !held {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), k.q.o.apiTimeout())
	defer cancel()
	err := k.leases.Delete(ctx, leaseKey, jetstream.LastRevision(k.revision))
	if err != nil && !errors.Is(err, jetstream.ErrKeyRevisionMismatch) { // another process has it
		return fmt.Errorf("release the lease: %w", readError(err))
	}
	return nil
}

// LoadKnown writes the file to w, and reports whether there is one. It needs no lease.
func (q *Queue) LoadKnown(ctx context.Context, w io.Writer) (bool, error) {
	for {
		objects, info, err := q.findKnown(ctx)
		if err != nil || info == nil {
			return false, err
		}
		object, err := objects.Get(ctx, info.Name)
		if errors.Is(err, jetstream.ErrObjectNotFound) {
			continue // replaced in the meantime
		}
		if err == nil {
			_, err = io.Copy(w, object)
			err = errors.Join(err, object.Close())
		}
		if err != nil {
			return false, fmt.Errorf("read from the object store: %w", readError(err))
		}
		return true, nil
	}
}

// findKnown returns the file that counts, or nil if there is none.
func (q *Queue) findKnown(ctx context.Context) (jetstream.ObjectStore, *jetstream.ObjectInfo, error) {
	objects, err := q.js.ObjectStore(ctx, q.streamName("KNOWN"))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the object store: %w", readError(err))
	}
	all, err := objects.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil, fmt.Errorf("list the object store: %w", readError(err))
	}
	var newest *jetstream.ObjectInfo
	for _, info := range all {
		if strings.HasPrefix(info.Name, knownPrefix) && (newest == nil || info.Name > newest.Name) {
			newest = info
		}
	}
	return objects, newest, nil
}

// The metadata of the file: a Position.
const (
	metaStream = "stream"
	metaLast   = "last"
)

// Save replaces the file as a whole. at is the position up to which events were read:
// delivered events after it are retained, unless their room is needed. Save fails if
// the lease was lost.
func (k *Known) Save(ctx context.Context, r io.Reader, at Position) error {
	if err := context.Cause(k.lost); err != nil {
		return err
	}
	if err := k.extend(ctx); err != nil {
		return err
	}
	return k.put(ctx, r, at)
}

func (k *Known) put(ctx context.Context, r io.Reader, at Position) error {
	_, err := k.objects.Put(ctx, jetstream.ObjectMeta{
		Name: k.name, Metadata: map[string]string{metaStream: at.Stream, metaLast: strconv.FormatUint(at.Last, 10)},
	}, r)
	if err != nil {
		return fmt.Errorf("write to the object store: %w", readError(err))
	}
	all, _ := k.objects.List(ctx) // the next process that saves tries again
	for _, info := range all {
		if strings.HasPrefix(info.Name, knownPrefix) && info.Name < k.name {
			_ = k.objects.Delete(ctx, info.Name) // as above
		}
	}
	return nil
}

// readsOnCluster returns a function that returns the position of Save. While the
// cluster does not answer, that is the position that it returned before. The function
// is not safe for concurrent use.
func (q *Queue) readsOnCluster() func() (Position, bool) {
	var last Position
	found := false
	return func() (Position, bool) {
		ctx, cancel := context.WithTimeout(q.closing, time.Second)
		defer cancel()
		_, info, err := q.findKnown(ctx)
		switch {
		case err != nil:
			return last, found
		case info == nil:
			last, found = Position{}, false
			return last, found
		}
		sequence, err := strconv.ParseUint(info.Metadata[metaLast], 10, 64)
		last, found = Position{Stream: info.Metadata[metaStream], Last: sequence}, err == nil
		return last, found
	}
}
