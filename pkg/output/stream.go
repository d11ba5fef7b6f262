package output

import (
	"bytes"
	"errors"
)

// Item is an item of a stream, with a value for each format; see View.
type Item struct {
	Value any
	Row   []string
	// Below are lines to print below the row.
	Below []string
	Name  string
}

// Stream writes items one by one. With Endless or on a terminal, it writes each
// item immediately; otherwise it buffers up to 64 KiB. A jq expression for JSON
// gets all items at once, when the stream is closed.
//
// JSON is an array that Close completes, and YAML is a sequence. The columns of a
// table have their Min width, and the last column that may be cut gets the rest of
// the terminal's width. Longer cells are cut if their column allows it, and
// otherwise push the following ones to the right; cells that a terminal has no room
// for continue below the row.
//
// A Stream is not safe for concurrent use.
type Stream struct {
	p       *Printer
	columns []Column
	indexes []int // of the columns in a row
	widths  []int
	ids     prefixes
	count   int
	pending bytes.Buffer // incomplete array, for jq
	waiting []byte       // buffered output
	failed  error
	closed  bool
}

// Stream returns a new stream. The columns are for Table. Close it after the last
// item, even if the source of the items failed.
func (p *Printer) Stream(columns []Column) *Stream {
	indexes, err := p.selected(columns)
	columns = pick(columns, indexes)
	s := &Stream{p: p, columns: columns, indexes: indexes, widths: p.headerWidths(columns), failed: err}
	if p.fits() && len(columns) > 0 {
		s.widths = p.streamWidths(columns)
	}
	return s
}

// streamWidths distributes the terminal's width before the rows are known.
func (p *Printer) streamWidths(columns []Column) []int {
	widths, last := p.headerWidths(columns), -1
	for i, c := range columns {
		if c.Shrink {
			last = i
		}
	}
	shrink(columns, widths, p.opt.Width)
	if left := -excess(widths, p.opt.Width); last >= 0 && left > 0 {
		widths[last] += left
	}
	return widths
}

var errStreamClosed = errors.New("write to a closed stream")

// Write writes one item. After an error it writes nothing more and returns the
// same error, unless the stream is Endless.
func (s *Stream) Write(item Item) error {
	switch {
	case s.failed != nil && !s.p.opt.Endless:
		return s.failed
	case s.closed:
		return errStreamClosed
	}
	err := s.item(item)
	s.count++
	if s.failed = err; s.p.opt.Endless && IsFilterError(err) {
		s.failed = nil // does not affect other items
	}
	return err
}

func (s *Stream) item(item Item) error {
	switch s.p.opt.Format {
	case Table:
		return s.row(item)
	case Name:
		return s.write(names(item.Name), "")
	case None:
		return nil
	case templated:
		return s.p.templated(item.Value)
	}
	text, err := marshal(item.Value)
	if err != nil {
		return err
	}
	switch {
	case s.p.opt.Format == JSONL && s.p.jq != nil:
		return s.p.filtered(text)
	case s.p.opt.Format == JSONL:
		return s.write(s.p.style.colored(text), "\n")
	case s.p.opt.Format == YAML:
		if text, err = toYAML(append(append([]byte{'['}, text...), ']')); err != nil {
			return err
		}
		return s.write(text, "")
	default:
		return s.element(text)
	}
}

// element writes one element of the array.
func (s *Stream) element(text []byte) error {
	begin := ",\n"
	if s.count == 0 {
		begin = "[\n"
	}
	if s.p.jq != nil {
		s.pending.WriteString(begin)
		s.pending.Write(text)
		return nil
	}
	return s.write(append([]byte(begin+indent), s.p.style.colored(pretty(text, indent))...), "")
}

func (s *Stream) row(item Item) error {
	var out []byte
	if s.count == 0 {
		out = s.p.headerLine(s.columns, s.widths)
	}
	cells := safeRow(pick(item.Row, s.indexes), len(s.columns))
	if s.p.fits() {
		s.ids.addIDs(s.columns, cells)
		s.ids.shortenIDs(s.columns, cells)
	}
	out = append(out, s.p.line(s.columns, cells, s.widths)...)
	for _, line := range item.Below {
		out = append(out, s.p.below(Safe(line), s.widths)...)
	}
	return s.write(out, "")
}

// enough is the size of the buffer, in bytes.
const enough = 64 << 10

func (s *Stream) write(text []byte, end string) error {
	s.waiting = append(append(s.waiting, text...), end...)
	if len(s.waiting) < enough && !s.p.opt.Endless && !s.p.opt.Terminal {
		return nil
	}
	return s.flush()
}

func (s *Stream) flush() error {
	text := s.waiting
	s.waiting = s.waiting[:0]
	return s.p.write(text)
}

// Close writes buffered output and completes the array of JSON, which is empty if
// there was no item. Further calls have no effect.
func (s *Stream) Close() error {
	if s.closed || s.failed != nil {
		s.closed = true
		return s.failed
	}
	s.closed = true
	if err := s.flush(); err != nil {
		return err
	}
	switch {
	case s.p.opt.Format == JSON && s.p.jq != nil:
		if s.count == 0 {
			s.pending.WriteByte('[')
		}
		s.pending.WriteByte(']')
		return s.p.filtered(s.pending.Bytes())
	case s.p.opt.Format == JSON && s.count == 0, s.p.opt.Format == YAML && s.count == 0:
		return s.p.write([]byte("[]\n"))
	case s.p.opt.Format == JSON:
		return s.p.write([]byte("\n]\n"))
	}
	return nil
}
