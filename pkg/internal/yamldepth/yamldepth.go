// Package yamldepth bounds how deeply a YAML file is nested, before it is
// parsed: the parser's memory grows with the square of the depth.
package yamldepth

import (
	"fmt"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Max is the maximum nesting depth, far more than any file of this project needs.
const Max = 64

// Error reports text that is nested more than Max levels deep. Line and Column
// count from 1.
type Error struct{ Line, Column int }

// Error describes the problem without its position.
func (e *Error) Error() string { return fmt.Sprintf("nested more than %d levels deep", Max) }

// Check returns an *Error for the first place of a text that is nested too
// deeply.
func Check(text []byte) error {
	flow, dashes, line := 0, 0, 0 // open brackets; "- - -" of the line
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			dashes++
		}
		if flow+dashes > Max || t.Position.IndentLevel > Max {
			return &Error{t.Position.Line, t.Position.Column}
		}
	}
	return nil
}
