package output

import "strings"

// Bar returns a bar for a chart, with width cells if value equals most. A value
// above 0 is always visible. With blocks the bar has block characters, with a
// precision of an eighth of a cell; otherwise it has # characters.
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

// scale returns value/most*to, rounded to the nearest integer.
func scale(value, most, to int) int {
	return int(float64(value)/float64(most)*float64(to) + 0.5)
}
