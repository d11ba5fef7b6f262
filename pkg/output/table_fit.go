package output

import "slices"

// widest is the width in cells up to which a column of a pipe is padded, unless its
// minimum is larger.
const widest = 80

// narrow reduces the widths so that the table fits the terminal, and reports
// whether it changed one. Without a terminal, it prevents that one long cell pads
// the column in all rows.
func (p *Printer) narrow(columns []Column, rows [][]string, widths []int) bool {
	switch {
	case !p.fits():
		return p.ignoreLong(columns, rows, widths)
	case excess(widths, p.opt.Width) <= 0:
		return false
	}
	for i, c := range columns {
		if c.Whole {
			widths[i] = width(c.Name)
		}
	}
	shrink(columns, widths, p.opt.Width)
	if excess(widths, p.opt.Width) > 0 {
		for i, c := range columns {
			if c.Min > 0 || c.ID {
				widths[i] = min(widths[i], max(p.minimum(c), width(c.Name)))
			}
		}
	}
	return true
}

// ignoreLong reduces the widths of all but the last column, so that cells longer than
// widest do not count, and reports whether it changed one.
func (p *Printer) ignoreLong(columns []Column, rows [][]string, widths []int) bool {
	before := slices.Clone(widths)
	for i, c := range columns[:len(columns)-1] {
		limit := max(widest, c.Min)
		if widths[i] <= limit {
			continue
		}
		widths[i] = max(c.Min, width(c.Name))
		for _, row := range rows {
			if n := width(row[i]); n <= limit {
				widths[i] = max(widths[i], n)
			}
		}
	}
	return !slices.Equal(before, widths)
}

// excess returns by how many cells a table is wider than total.
func excess(widths []int, total int) int {
	over := gap*(len(widths)-1) - total
	for _, w := range widths {
		over += w
	}
	return over
}

// minimum returns the minimum width of a column.
func (p *Printer) minimum(c Column) int {
	if c.ID && p.fits() {
		return ShortID
	}
	return c.Min
}

// fits reports whether tables must fit a terminal. Pipes and selected columns get
// the full text.
func (p *Printer) fits() bool {
	return p.opt.Terminal && p.opt.Width > 0 && len(p.opt.Columns) == 0
}

// shrink narrows the widest column that may be cut, one cell at a time, until the
// table fits or all such columns are as narrow as their headings.
func shrink(columns []Column, widths []int, total int) {
	for over := excess(widths, total); over > 0; over-- {
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
