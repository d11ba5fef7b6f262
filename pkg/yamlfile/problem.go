package yamlfile

import (
	"fmt"
	"strings"
)

// Position is a line and a column, counted from 1; the zero value is the whole file.
type Position struct{ Line, Column int }

// Problem is one mistake in a file. Text quotes no value that may be a secret.
type Problem struct {
	Position
	Text string
}

// Error reports the mistakes in a file.
type Error struct {
	// Name is the file's name.
	Name string
	// Problems has at least one element, and is in the order of the file.
	Problems []Problem
}

// Lines returns each problem with its place, such as "webhooks.yaml:5:13: …".
func (e *Error) Lines() []string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = e.Name + ": " + p.Text
		if p.Line > 0 {
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.Name, p.Line, p.Column, p.Text)
		}
	}
	return lines
}

// Error returns all problems on one line.
func (e *Error) Error() string { return strings.Join(e.Lines(), "; ") }
