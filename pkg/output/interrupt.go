package output

import (
	"bytes"
	"context"
	"io"
	"time"
)

// stuckTime is how long a write may take after an interruption.
const stuckTime = time.Second

// Interruptible returns a writer to w that gives up when a write is stuck for a
// second after done was closed, as it is while no one reads a full pipe. The
// writes then fail with context.Canceled.
func Interruptible(w io.Writer, done <-chan struct{}) io.Writer {
	return &interruptible{w: w, done: done}
}

type interruptible struct {
	w     io.Writer
	done  <-chan struct{}
	stuck bool // a write is still in progress, and always will be
}

type written struct {
	n   int
	err error
}

func (i *interruptible) Write(p []byte) (int, error) {
	if i.stuck {
		return 0, context.Canceled
	}
	text, result := bytes.Clone(p), make(chan written, 1) // p is the caller's again after Write
	go func() {
		n, err := i.w.Write(text)
		result <- written{n, err}
	}()
	select {
	case r := <-result:
		return r.n, r.err
	case <-i.done:
	}
	timer := time.NewTimer(stuckTime)
	defer timer.Stop()
	select {
	case r := <-result:
		return r.n, r.err
	case <-timer.C:
		i.stuck = true
		return 0, context.Canceled
	}
}
