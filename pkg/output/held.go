package output

import (
	"io"
	"strings"
	"sync"
)

// The limits of the text that a Held holds back.
const (
	heldWrites = 1000
	heldBytes  = 1 << 20
)

// Held is a writer that holds text back while something else fills the terminal.
// It holds the last 1,000 writes, up to 1 MiB. It is safe for concurrent use.
type Held struct {
	w io.Writer

	mu      sync.Mutex
	holding bool
	texts   []string
	bytes   int
	count   int // of the writes held so far, including those that were forgotten
}

// NewHeld returns a writer in front of w. It passes everything on until Hold.
func NewHeld(w io.Writer) *Held { return &Held{w: w} }

// Unwrap returns the writer behind h.
func (h *Held) Unwrap() io.Writer { return h.w }

// Write writes p, or holds it back.
func (h *Held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.holding {
		return h.w.Write(p)
	}
	h.texts, h.bytes, h.count = append(h.texts, string(p)), h.bytes+len(p), h.count+1
	for len(h.texts) > heldWrites || h.bytes > heldBytes {
		h.bytes -= len(h.texts[0])
		h.texts = h.texts[1:]
	}
	return len(p), nil
}

// Hold holds back all writes from now on.
func (h *Held) Hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holding = true
}

// Text returns the text that is held back, and how many writes there were since
// Hold.
func (h *Held) Text() (text string, count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.texts, ""), h.count
}

// Last returns the last write that is held back, or "", and how many writes there
// were since Hold.
func (h *Held) Last() (text string, count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.texts) > 0 {
		text = h.texts[len(h.texts)-1]
	}
	return text, h.count
}

// Release writes everything that is held back, and passes on all further writes.
func (h *Held) Release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holding = false; len(h.texts) > 0 {
		_, _ = io.WriteString(h.w, strings.Join(h.texts, "")) // there is no place to report an error of stderr
	}
	h.texts, h.bytes, h.count = nil, 0, 0
}
