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
	// ID marks a column of ids. On a terminal, it shows a prefix that is unique
	// in the table, of at least ShortID characters. The columns with ids share it.
	ID bool
	// Whole marks a last column whose text is never cut and never widens the
	// table: on a terminal, a text that does not fit continues below its row.
	Whole bool
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
	columns := pick(t.Columns, indexes)
	rows := make([][]string, len(t.Rows))
	var ids prefixes
	for i, row := range t.Rows {
		rows[i] = safeRow(pick(row, indexes), len(columns))
		ids.addIDs(columns, rows[i])
	}
	widths := p.headerWidths(columns)
	for _, row := range rows {
		if p.fits() {
			ids.shortenIDs(columns, row)
		}
		for j, cell := range row {
			widths[j] = max(widths[j], width(cell))
		}
	}
	out, err := p.layOut(columns, rows, widths)
	if t.Title != "" && err == nil && !p.opt.NoHeaders {
		out = append([]byte(p.style.Bold(Safe(t.Title))+"\n"), out...)
	}
	return out, err
}

// layOut lays the rows out in columns of the given widths, or in narrower ones if
// the table would be too wide otherwise.
func (p *Printer) layOut(columns []Column, rows [][]string, widths []int) ([]byte, error) {
	if p.narrow(columns, rows, widths) {
		out := p.headerLine(columns, widths)
		for _, row := range rows {
			out = append(out, p.line(columns, row, widths)...)
		}
		return out, nil
	}
	for i := range rows {
		rows[i] = p.paintRow(columns, rows[i])
	}
	return p.align(p.header(columns), rows)
}

// line returns a row as a line. A cell that is wider than its column moves the next
// ones to the right, and those that a terminal has no room for continue on
// indented lines below.
func (p *Printer) line(columns []Column, cells []string, widths []int) []byte {
	var out []byte
	start, end := 0, 0 // of the column, and of the line so far
	for i, cell := range cells {
		shown := cell
		if p.fits() && columns[i].Shrink {
			shown = cut(cell, widths[i])
		}
		if n := width(shown); n > 0 {
			at := start
			if end > 0 {
				at = max(start, end+gap)
			}
			if p.fits() && at+n > p.opt.Width {
				if end > 0 {
					out = append(out, '\n')
				}
				return append(out, p.below(joined(cells[i:]), widths)...)
			}
			out = append(out, strings.Repeat(" ", at-end)...)
			out = append(out, p.paintCell(columns[i], cell, shown)...)
			end = at + n
		}
		start += widths[i] + gap
	}
	return append(out, '\n')
}

// joined returns cells as text to wrap.
func joined(cells []string) string {
	var texts []string
	for _, cell := range cells {
		if cell != "" {
			texts = append(texts, cell)
		}
	}
	return strings.Join(texts, "  ")
}

// below returns safe text as lines below a row, indented to the second column or, on
// a narrow terminal, less.
func (p *Printer) below(text string, widths []int) []byte {
	indent, room := widths[0]+gap, 0
	if p.fits() {
		indent = min(indent, p.opt.Width/4)
		room = p.opt.Width - indent
	}
	var out []byte
	for _, line := range Wrap(text, room) {
		out = append(out, strings.TrimRight(strings.Repeat(" ", indent)+line, " ")...)
		out = append(out, '\n')
	}
	return out
}

// headerLine returns the line of headings. It leaves out those that a terminal has no
// room for.
func (p *Printer) headerLine(columns []Column, widths []int) []byte {
	if p.opt.NoHeaders {
		return nil
	}
	var out []byte
	start, end := 0, 0
	for i, c := range columns {
		n := width(c.Name)
		if p.fits() && start+n > p.opt.Width {
			break
		}
		if n > 0 {
			out = append(out, strings.Repeat(" ", start-end)...)
			out = append(out, p.style.Bold(strings.ToUpper(c.Name))...)
			end = start + n
		}
		start += widths[i] + gap
	}
	return append(out, '\n')
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

// headerWidths returns the widths of the columns without rows.
func (p *Printer) headerWidths(columns []Column) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = max(p.minimum(c), width(c.Name))
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

// paintRow returns the cells with their colors.
func (p *Printer) paintRow(columns []Column, cells []string) []string {
	out := make([]string, len(cells))
	for i, cell := range cells {
		out[i] = p.paintCell(columns[i], cell, cell)
	}
	return out
}

// paintCell returns the shown text of a cell in the color of the cell.
func (p *Printer) paintCell(c Column, cell, shown string) string {
	if c.Color == nil {
		return shown
	}
	return p.style.paint(c.Color(cell), shown)
}
