package output_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func TestHeldTextIsWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	h := output.NewHeld(&b)
	fmt.Fprintln(h, "before")
	h.Hold()
	fmt.Fprintln(h, "first")
	fmt.Fprintln(h, "second")
	if b.String() != "before\n" {
		t.Errorf("written while held: %q", b.String())
	}
	if last, count := h.Last(); last != "second\n" || count != 2 {
		t.Errorf("%q, %d", last, count)
	}
	h.Release()
	fmt.Fprintln(h, "after")
	if b.String() != "before\nfirst\nsecond\nafter\n" {
		t.Errorf("%q", b.String())
	}
}

func TestHeldTextIsLimited(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	h := output.NewHeld(&b)
	h.Hold()
	for n := range 1500 {
		fmt.Fprintln(h, n)
	}
	if text, count := h.Text(); count != 1500 || !strings.HasPrefix(text, "500\n") {
		t.Errorf("%d writes, from %q", count, text[:min(9, len(text))])
	}
	for range 3 {
		fmt.Fprint(h, strings.Repeat("x", 500<<10))
	}
	if h.Release(); b.Len() != 1000<<10 {
		t.Errorf("%d bytes", b.Len())
	}
}
