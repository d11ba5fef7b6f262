// Package filter decides with a jq expression which events a target gets.
package filter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// Filter is a compiled jq expression over an event: its input is the body of the
// event, as JSON. An event matches if the expression has an output that is neither
// false nor null; the first such output decides, and the rest is not evaluated.
// Without any output, the event does not match.
//
// Integers of any size are compared exactly, other numbers with the precision of a
// 64-bit float. The expression has no access to the environment, to files, to other
// input or to the terminal. A Filter is safe for concurrent use.
type Filter struct {
	code *gojq.Code
	// running has an element for each evaluation, including those that were given up
	// but have not ended.
	running chan struct{}
}

// Compile compiles an expression. The error names the line and column of a syntax
// error, both counted from 1, the column in characters.
func Compile(expr string) (*Filter, error) { return compile(expr) }

func compile(expr string, options ...gojq.CompilerOption) (*Filter, error) {
	if strings.TrimSpace(expr) == "" {
		return nil, errors.New("the expression is empty")
	}
	query, err := gojq.Parse(expr)
	if err != nil {
		var at *gojq.ParseError
		if errors.As(err, &at) {
			line, column := position(expr, at.Offset-len(at.Token))
			return nil, fmt.Errorf("line %d, column %d: %w", line, column, err)
		}
		return nil, err
	}
	environment := false
	code, err := gojq.Compile(query, append(options, gojq.WithEnvironLoader(func() []string {
		environment = true
		return nil
	}))...)
	switch {
	case err != nil:
		return nil, err
	case environment: // as an empty object, it would make an expression silently wrong
		return nil, errors.New("env and $ENV are not available: an expression sees only the event")
	}
	return &Filter{code: code, running: make(chan struct{}, maxRunning)}, nil
}

// position returns the line and column of a byte in a text.
func position(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[start:])
}

// matches reports whether an event matches.
func (f *Filter) matches(ctx context.Context, body []byte) (bool, error) {
	event, err := decode(body)
	if err != nil {
		return false, err
	}
	matched, err := f.evaluate(ctx, event)
	if errors.Is(err, errTooLong) {
		// If the machine had paused, the event must not become a dead letter.
		matched, err = f.evaluate(ctx, event)
	}
	return matched, err
}

// decode returns the JSON value of a body.
func decode(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var event any
	if err := decoder.Decode(&event); err != nil {
		return nil, errNotJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return event, nil
}
