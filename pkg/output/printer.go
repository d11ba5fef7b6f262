package output

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options say how to write. The zero value writes plain tables.
type Options struct {
	// Format is Table where it is empty.
	Format Format
	// JQ is a jq expression that filters JSON. With Table, the format becomes
	// JSON (JSONL with Endless); with YAML, Name and None it is an error.
	JQ string
	// Endless is for streams that nobody closes but the user: it makes a jq
	// expression see each item by itself. Otherwise it sees what the format
	// prints, as a whole.
	Endless bool
	// Color is whether to colour.
	Color bool
	// Terminal is whether w is one.
	Terminal bool
	// Width is the terminal's, in cells; 0 means unlimited. What is not
	// written to a terminal is never cut.
	Width int
}

// View is one result in all its shapes. A command fills those that the
// formats it accepts need.
type View struct {
	// Value is for JSON and YAML. An array is one object a line in JSONL.
	Value any
	// Fields are for Table, above Table where both are there.
	Fields []Field
	// Table is for Table. One without rows prints nothing: what is said
	// instead is talk, and belongs on stderr.
	Table TableView
	// More are tables below Table.
	More []TableView
	// Names are for Name.
	Names []string
}

// Printer writes results. It is not safe for concurrent use.
type Printer struct {
	w     io.Writer
	opt   Options
	style Style
	jq    *filter
	torn  bool // the last write ended within a line
}

// New makes a Printer, and compiles the jq expression. Every error is one of
// usage, so call New before anything is sent to a server.
func New(w io.Writer, o Options) (*Printer, error) {
	p := &Printer{w: Stdout(w), style: Style{Enabled: o.Color}}
	format, err := ParseFormat(string(cmp.Or(o.Format, Table)))
	if err != nil {
		return nil, err
	}
	if o.JQ != "" {
		switch format {
		case Table:
			format = JSON
			if o.Endless {
				format = JSONL
			}
		case JSON, JSONL:
		default:
			return nil, fmt.Errorf("a jq expression filters JSON, and the output format is %s: choose json or jsonl", format)
		}
		if p.jq, err = compileJQ(o.JQ); err != nil {
			return nil, err
		}
	}
	o.Format = format
	p.opt = o
	return p, nil
}

// Format returns the format that is written: with a jq expression never Table.
func (p *Printer) Format() Format { return p.opt.Format }

// Style returns the style of what is written.
func (p *Printer) Style() Style { return p.style }

// Print writes a whole result, in one piece where no jq expression makes more
// of it.
func (p *Printer) Print(v View) error {
	var out []byte
	var err error
	switch p.opt.Format {
	case Table:
		out, err = p.table(v)
	case Name:
		out = names(v.Names...)
	case None:
		return nil
	default:
		return p.value(v.Value)
	}
	if err != nil {
		return err
	}
	return p.write(out)
}

// table writes the blocks that are there, with an empty line between them.
func (p *Printer) table(v View) ([]byte, error) {
	fields, err := p.renderFields(v.Fields)
	if err != nil {
		return nil, err
	}
	blocks := [][]byte{fields}
	for _, t := range append([]TableView{v.Table}, v.More...) {
		block, err := p.renderTable(t)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	blocks = slices.DeleteFunc(blocks, func(b []byte) bool { return len(b) == 0 })
	return bytes.Join(blocks, []byte("\n")), nil
}

func names(names ...string) []byte {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(Safe(name) + "\n")
	}
	return []byte(b.String())
}

// value writes JSON and YAML.
func (p *Printer) value(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	switch {
	case p.opt.Format == JSONL:
		return p.lines(text)
	case p.jq != nil:
		return p.filtered(text)
	case p.opt.Format == YAML:
		if text, err = toYAML(text); err != nil {
			return err
		}
		return p.write(text)
	default:
		return p.write(append(p.style.colored(pretty(text, "")), '\n'))
	}
}

// lines writes the elements of an array, or the one object there is.
func (p *Printer) lines(text []byte) error {
	elements, err := split(text)
	if err != nil {
		return err
	}
	if p.jq != nil {
		for _, element := range elements {
			if err := p.filtered(element); err != nil {
				return err
			}
		}
		return nil
	}
	var b bytes.Buffer
	for _, element := range elements {
		b.Write(p.style.colored(element))
		b.WriteByte('\n')
	}
	return p.write(b.Bytes())
}

// write says what failed. The error is the writer's own inside: see IsClosed.
func (p *Printer) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if p.torn {
		b = append([]byte("\n"), b...)
	}
	n, err := p.w.Write(b)
	p.torn = err != nil && (n > 0 || p.torn)
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
