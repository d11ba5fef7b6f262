package fleet

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// StateFile is the name of a State beside a listener's store.
const StateFile = "known.state"

// clusterName names the state on a cluster in messages.
const clusterName = "the known state on the cluster"

// saveTime limits how long the state is saved on a cluster after an interruption.
const saveTime = time.Minute

// InFolder runs r with the State in the folder of a store.
func (s *Stored) InFolder(ctx context.Context, dir string, owner Owner, r *Reconciler) (_ Report, err error) {
	open := OpenState
	if r.DryRun {
		open = openCopy
	}
	if s.State, err = open(filepath.Join(dir, StateFile), owner); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.State.Close()) }()
	return s.run(ctx, r, func(at relay.Position) error { return relay.MarkRead(dir, at) })
}

// OnCluster runs r with the State in the object store of a cluster. The error wraps
// relay.ErrLeased if another process is doing the same.
func (s *Stored) OnCluster(ctx context.Context, queue *relay.Queue, owner Owner, r *Reconciler) (_ Report, err error) {
	dir, err := os.MkdirTemp("", "mender-webhooks-")
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, StateFile)
	if r.DryRun {
		if err := download(ctx, queue, path); err != nil {
			return Report{}, err
		}
		return s.onFile(ctx, path, owner, r, func() error { return nil })
	}
	known, err := queue.OpenKnown(ctx)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, known.Close()) }()
	if err := download(ctx, queue, path); err != nil {
		return Report{}, err
	}
	leased, cancel := known.Context(ctx)
	defer cancel()
	report, err := s.onFile(leased, path, owner, r, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return known.Save(ctx, bufio.NewReader(f), relay.Position{Stream: s.State.head.Stream, Last: s.State.head.Sequence})
	})
	if err != nil && leased.Err() != nil && ctx.Err() == nil {
		err = context.Cause(leased) // not an interruption
	}
	return report, err
}

// onFile runs r with the state in a file, and calls save if the state has changed.
func (s *Stored) onFile(ctx context.Context, path string, owner Owner, r *Reconciler, save func() error) (_ Report, err error) {
	if s.State, err = openState(path, clusterName, owner); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.State.Close()) }()
	report, err := s.run(ctx, r, func(relay.Position) error { return nil })
	if s.State.updated {
		err = errors.Join(err, save())
	}
	return report, err
}

// CheckInFolder returns an error of kind fault.Usage if InFolder would refuse the
// State, for example because it belongs to another owner.
func CheckInFolder(dir string, owner Owner) error {
	path := filepath.Join(dir, StateFile)
	_, err := readHead(path, path, owner)
	return err
}

// CheckOnCluster returns an error of kind fault.Usage if OnCluster would refuse the
// State. An error of another kind may be temporary.
func CheckOnCluster(ctx context.Context, queue *relay.Queue, owner Owner) error {
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // ends LoadKnown: only the first line is needed
	go func() {
		found, err := queue.LoadKnown(ctx, w)
		if err == nil && !found {
			err = os.ErrNotExist
		}
		_ = w.CloseWithError(err) // never fails
	}()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	_, err = parseHead(line, clusterName, owner)
	return err
}

// download writes the state on a cluster to a file, if there is one.
func download(ctx context.Context, queue *relay.Queue, path string) error {
	found := false
	err := privatefile.WriteStream(path, func(w io.Writer) (err error) {
		found, err = queue.LoadKnown(ctx, w)
		return err
	})
	if err == nil && !found {
		err = os.Remove(path)
	}
	return err
}

// openCopy opens a temporary copy of the state in the file at path, for a dry run. Close
// removes it.
func openCopy(path string, owner Owner) (_ *State, err error) {
	dir, err := os.MkdirTemp("", "mender-webhooks-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	copied := filepath.Join(dir, StateFile)
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		err = privatefile.WriteStream(copied, func(w io.Writer) error {
			_, err := io.Copy(w, f)
			return err
		})
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s, err := OpenState(copied, owner)
	if err != nil {
		return nil, err
	}
	s.temporary = dir
	return s, nil
}
