package output

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options configures a Printer. The zero value writes tables without color.
type Options struct {
	// Format is the output format; empty means Table.
	Format Format
	// JQ is a jq expression that filters JSON. With Table, the format becomes
	// JSON (JSONL with Endless); with YAML, Name and None it is an error.
	JQ string
	// Template is text with jq expressions in {{ }}. It is applied to the result or,
	// if that is a list, to each element. It replaces the format, and is an
	// error with JQ.
	Template string
	// Columns are the names of the columns to print in tables, in any case; none
	// prints all.
	Columns []string
	// NoHeaders leaves out the headings of tables.
	NoHeaders bool
	// Endless marks a stream that runs until the user stops it. The jq
	// expression then gets each item separately instead of all output at once.
	Endless bool
	// Color enables color.
	Color bool
	// Terminal reports whether the writer is a terminal.
	Terminal bool
	// Width is the terminal's width in cells; 0 means unlimited. Output to
	// other writers is never cut.
	Width int
}

// View is a result, with a value for each format. A command sets the values
// for the formats that it accepts.
type View struct {
	// Value is for JSON and YAML. In JSONL, an array is one object per line.
	Value any
	// Fields are for Table, and printed above it.
	Fields []Field
	// Table is for Table. Without rows it prints nothing; the command may print
	// a note to stderr.
	Table TableView
	// More has tables to print below Table.
	More []TableView
	// Names are for Name.
	Names []string
	// Title is for Table: a line above the view, unless it is empty.
	Title string
	// Sections are for Table, and printed below everything else.
	Sections []View
}

// Printer writes results. It is not safe for concurrent use.
type Printer struct {
	w      io.Writer
	opt    Options
	style  Style
	jq     *filter
	layout *layout
	torn   bool // the last write failed in the middle of a line
}

// New returns a Printer with a compiled jq expression. All its errors are usage
// errors, so call it before anything is sent to a server.
func New(w io.Writer, o Options) (*Printer, error) {
	p := &Printer{w: Stdout(w), style: Style{Enabled: o.Color}}
	format, err := ParseFormat(string(cmp.Or(o.Format, Table)))
	if err != nil {
		return nil, err
	}
	if o.Template != "" {
		format = templated
		if p.layout, err = compileTemplate(o.Template); err != nil {
			return nil, err
		}
	}
	if o.JQ != "" {
		switch format {
		case Table:
			format = JSON
			if o.Endless {
				format = JSONL
			}
		case JSON, JSONL:
		case templated:
			return nil, errors.New("a jq expression cannot be combined with a template")
		default:
			return nil, fmt.Errorf("a jq expression requires JSON, but the output format is %s: choose json or jsonl", format)
		}
		if p.jq, err = compileJQ(o.JQ); err != nil {
			return nil, err
		}
	}
	o.Format = format
	p.opt = o
	return p, nil
}

// Format returns the output format. With a jq expression, it is never Table.
func (p *Printer) Format() Format { return p.opt.Format }

// Style returns the style of the output.
func (p *Printer) Style() Style { return p.style }

// Print writes a complete result, in a single write unless there is a jq expression.
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
	case templated:
		return p.templated(v.Value)
	default:
		return p.value(v.Value)
	}
	if err != nil {
		return err
	}
	return p.write(out)
}

// table returns the non-empty blocks, separated by empty lines.
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
	for _, section := range v.Sections {
		block, err := p.table(section)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	blocks = slices.DeleteFunc(blocks, func(b []byte) bool { return len(b) == 0 })
	out := bytes.Join(blocks, []byte("\n"))
	if v.Title != "" && len(out) > 0 && !p.opt.NoHeaders {
		out = append([]byte(p.style.Bold(Safe(v.Title))+"\n"), out...)
	}
	return out, nil
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

// lines writes the elements of an array, or a single object.
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

// write writes b. Its error wraps that of the writer; see IsClosed.
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
