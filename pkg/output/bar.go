package output

import "strings"

// Bar draws a value as a bar, for charts: width cells for most, and at least
// a trace for anything above 0. blocks draws with block characters, to an
// eighth of a cell; otherwise it is made of plain # characters.
func Bar(value, most, width int, blocks bool) string {
	if value <= 0 || most <= 0 || width <= 0 {
		return ""
	}
	value = min(value, most)
	if !blocks {
		return strings.Repeat("#", max(1, scale(value, most, width)))
	}
	eighths := max(1, scale(value, most, 8*width))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}

// scale rounds value/most*to to the nearest.
func scale(value, most, to int) int {
	return int(float64(value)/float64(most)*float64(to) + 0.5)
}
