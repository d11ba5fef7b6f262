package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrLeased reports that another process has the lease of Known.
var ErrLeased = errors.New("another process is reconciling this queue")

const (
	knownObject = "known.state"
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
	lost    context.Context
	lose    context.CancelCauseFunc
	renewal sync.WaitGroup
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
	host, _ := os.Hostname() // only for people
	revision, err := leases.Create(ctx, leaseKey, []byte(host+", process "+strconv.Itoa(os.Getpid())))
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
	k := &Known{q: q, objects: objects, leases: leases}
	k.lost, k.lose = context.WithCancelCause(context.Background())
	k.renewal.Go(func() { k.renew(revision) })
	return k, nil
}

var errLeaseLost = errors.New("the lease was lost")

// renew keeps the lease until Close, or until it may have ended.
func (k *Known) renew(revision uint64) {
	until := time.Now().Add(leaseTime)
	value := []byte("renewed")
	if e, err := k.leases.Get(k.lost, leaseKey); err == nil {
		value = e.Value()
	}
	for {
		select {
		case <-time.After(leaseRenew):
		case <-k.lost.Done():
			return
		}
		began := time.Now()
		next, err := k.leases.Update(k.lost, leaseKey, value, revision)
		switch {
		case err == nil:
			revision, until = next, began.Add(leaseTime)
		case time.Until(until) < leaseRenew:
			k.lose(fmt.Errorf("%w: %w", errLeaseLost, err))
			return
		}
	}
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
	held := k.lost.Err() == nil
	k.lose(errLeaseLost)
	k.renewal.Wait()
	if !held {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), k.q.o.apiTimeout())
	defer cancel()
	if err := k.leases.Delete(ctx, leaseKey); err != nil {
		return fmt.Errorf("release the lease: %w", readError(err))
	}
	return nil
}

// LoadKnown writes the file to w, and reports whether there is one. It needs no lease.
func (q *Queue) LoadKnown(ctx context.Context, w io.Writer) (bool, error) {
	objects, err := q.js.ObjectStore(ctx, q.streamName("KNOWN"))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the object store: %w", readError(err))
	}
	object, err := objects.Get(ctx, knownObject)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, nil
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

// The metadata of the file: a Position.
const (
	metaStream = "stream"
	metaLast   = "last"
)

// Save replaces the file as a whole. at is the position up to which events were read:
// delivered events after it are retained, unless their room is needed.
func (k *Known) Save(ctx context.Context, r io.Reader, at Position) error {
	if err := context.Cause(k.lost); err != nil {
		return err
	}
	_, err := k.objects.Put(ctx, jetstream.ObjectMeta{
		Name: knownObject, Metadata: map[string]string{metaStream: at.Stream, metaLast: strconv.FormatUint(at.Last, 10)},
	}, r)
	if err != nil {
		return fmt.Errorf("write to the object store: %w", readError(err))
	}
	return nil
}

// readOnCluster returns the position of Save.
func (q *Queue) readOnCluster() (Position, bool) {
	ctx, cancel := context.WithTimeout(q.closing, time.Second)
	defer cancel()
	objects, err := q.js.ObjectStore(ctx, q.streamName("KNOWN"))
	if err != nil {
		return Position{}, false
	}
	info, err := objects.GetInfo(ctx, knownObject)
	if err != nil {
		return Position{}, false
	}
	last, err := strconv.ParseUint(info.Metadata[metaLast], 10, 64)
	return Position{Stream: info.Metadata[metaStream], Last: last}, err == nil
}
