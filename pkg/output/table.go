package output

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/clipperhouse/displaywidth"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// gap is the number of spaces between two columns.
const gap = 2

// Column is a column of a table.
type Column struct {
	// Name is the heading, in any case.
	Name string
	// Min is the minimum width in terminal cells, if there is room. In a stream
	// it is the width, because the rows are not known yet.
	Min int
	// Shrink allows cutting the column, down to the width of its heading, to
	// fit the table on a terminal.
	Shrink bool
	// Color returns the color of a cell with the text; nil means Plain.
	Color func(cell string) Color
}

// TableView is a table. Rows have a cell for each column.
type TableView struct {
	// Title is printed on a line above the table, unless it is empty.
	Title   string
	Columns []Column
	Rows    [][]string
}

// width returns the number of terminal cells of safe text.
func width(s string) int { return displaywidth.String(s) }

// cut shortens text to a width, ending in an ellipsis.
func cut(s string, to int) string {
	if width(s) <= to {
		return s
	}
	return displaywidth.TruncateString(s, to, "…")
}

// renderTable returns a table that is as wide as its content, and at most as wide
// as the terminal.
func (p *Printer) renderTable(t TableView) ([]byte, error) {
	if len(t.Rows) == 0 {
		return nil, nil
	}
	indexes, err := p.selected(t.Columns)
	if err != nil {
		return nil, err
	}
	t.Columns = pick(t.Columns, indexes)
	rows := make([][]string, len(t.Rows))
	widths := headerWidths(t.Columns)
	for i, row := range t.Rows {
		rows[i] = safeRow(pick(row, indexes), len(t.Columns))
		for j, cell := range rows[i] {
			widths[j] = max(widths[j], width(cell))
		}
	}
	if p.fits() {
		shrink(t.Columns, widths, p.opt.Width)
	}
	for i := range rows {
		rows[i] = p.paintRow(t.Columns, rows[i], widths)
	}
	out, err := p.align(p.header(t.Columns), rows)
	if t.Title != "" && err == nil && !p.opt.NoHeaders {
		out = append([]byte(p.style.Bold(Safe(t.Title))+"\n"), out...)
	}
	return out, err
}

// align lays the cells out in columns.
func (p *Printer) align(header []string, rows [][]string) ([]byte, error) {
	// The gap is the padding of the left column plus the separator.
	space := tw.NewSymbolCustom("space").WithColumn(" ")
	var b bytes.Buffer
	table := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: space,
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.On, BetweenRows: tw.Off, ShowHeader: tw.Off, ShowFooter: tw.Off},
				Lines:      tw.LinesNone,
			},
		})),
		tablewriter.WithPadding(tw.Padding{Right: " ", Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithTrimLine(tw.Off),
		tablewriter.WithAutoHide(tw.Off),
		tablewriter.WithEastAsian(false), // as width measures
	)
	if header != nil {
		table.Header(header)
	}
	if err := table.Bulk(rows); err != nil {
		return nil, fmt.Errorf("lay out the table: %w", err)
	}
	if err := table.Render(); err != nil {
		return nil, fmt.Errorf("lay out the table: %w", err)
	}
	return trimLines(b.Bytes()), nil
}

// trimLines removes the padding of the last column.
func trimLines(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		out = append(out, bytes.TrimRight(line, " \n")...)
		out = append(out, '\n')
	}
	return out
}

// header returns the headings, or nil if headings are turned off.
func (p *Printer) header(columns []Column) []string {
	if p.opt.NoHeaders {
		return nil
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = p.style.Bold(strings.ToUpper(c.Name))
	}
	return names
}

func headerWidths(columns []Column) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = max(c.Min, width(c.Name))
	}
	return widths
}

// safeRow returns n cells, made safe for a terminal.
func safeRow(row []string, n int) []string {
	cells := make([]string, n)
	for i := range min(n, len(row)) {
		cells[i] = Safe(row[i])
	}
	return cells
}

// paintRow cuts cells to their widths on a terminal, and colors them.
func (p *Printer) paintRow(columns []Column, cells []string, widths []int) []string {
	out := make([]string, len(cells))
	for i, cell := range cells {
		out[i] = cell
		if p.fits() && columns[i].Shrink {
			out[i] = cut(cell, widths[i])
		}
		if columns[i].Color != nil {
			out[i] = p.style.paint(columns[i].Color(cell), out[i])
		}
	}
	return out
}

// fits reports whether tables must fit a terminal. Pipes get the full text.
func (p *Printer) fits() bool { return p.opt.Terminal && p.opt.Width > 0 }

// shrink narrows the widest column that may be cut, one cell at a time, until the
// table fits or all such columns are as narrow as their headings.
func shrink(columns []Column, widths []int, total int) {
	over := gap*(len(columns)-1) - total
	for _, w := range widths {
		over += w
	}
	for ; over > 0; over-- {
		widest := -1
		for i, c := range columns {
			if c.Shrink && widths[i] > width(c.Name) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// paintedWidth is like width, for text that may be colored.
func paintedWidth(s string) int {
	return displaywidth.Options{ControlSequences: true}.String(s)
}
