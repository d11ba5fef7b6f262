// Package suggest finds the name that a misspelled one was probably meant to be.
package suggest

import "strings"

// maxMistakes is the number of letters that may differ.
const maxMistakes = 2

// Name returns the name that was probably meant by a misspelled one, or "" if
// none is close. Case, dots, dashes and underscores do not count.
func Name(misspelled string, names []string) string {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
	}
	best, bestDistance := "", maxMistakes+1
	for _, name := range names {
		d := distance(plain(misspelled), plain(name))
		if d < bestDistance && d < len(plain(name))/2+1 {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, change or swap with their
// neighbor to turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
