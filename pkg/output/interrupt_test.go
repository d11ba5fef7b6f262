package output_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func TestAStuckWriteEndsAfterAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		r, pipe := io.Pipe()
		w := output.Interruptible(pipe, done)
		time.AfterFunc(time.Hour, func() { close(done) })
		start := time.Now()
		for range 2 {
			if _, err := w.Write([]byte("text")); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		}
		if took := time.Since(start); took != time.Hour+time.Second {
			t.Errorf("it took %s", took)
		}
		_ = r.Close()
	})
}

func TestAWriteThatIsNotStuckSurvivesAnInterruption(t *testing.T) {
	done := make(chan struct{})
	close(done)
	var b strings.Builder
	w := output.Interruptible(&b, done)
	for range 2 {
		if n, err := w.Write([]byte("text")); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if b.String() != "texttext" {
		t.Error(b.String())
	}
}

func TestAsyncNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, pipe := io.Pipe()
		a := output.NewAsync(pipe)
		for range 5000 {
			if _, err := a.Write([]byte("x")); err != nil {
				t.Error(err)
			}
		}
		if a.Close(time.Second) {
			t.Error("it says that everything was written")
		}
		text, _ := io.ReadAll(io.LimitReader(r, 1000)) // a pipe has no errors
		if len(text) != 1000 {
			t.Errorf("%d bytes waited", len(text))
		}
		_ = r.Close()
	})
}
