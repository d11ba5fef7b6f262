package config

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// usagef is an error in what the user gave, with a hint or "". It supports %w.
func usagef(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// unusable is a usage error that says what could not be used, and why.
func unusable(what string, err error) error { return usagef("", "%s: %w", what, err) }

// Suggest returns the name that was probably meant by a misspelt one, or ""
// where none is near.
func Suggest(misspelt string, names []string) string {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
	}
	best, bestDistance := "", 3 // more than two mistakes are another word
	for _, name := range names {
		d := distance(plain(misspelt), plain(name))
		if d < bestDistance && d < len(plain(name))/2+1 {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, change or swap with their
// neighbour to make b of a.
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

// didYouMean is the end of a message about a misspelt name.
func didYouMean(misspelt string, names []string) string {
	if near := Suggest(misspelt, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
