package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/itchyny/gojq"
)

// filter is a compiled jq expression.
type filter struct{ code *gojq.Code }

func compileJQ(expression string) (*filter, error) {
	query, err := gojq.Parse(expression)
	if err != nil {
		var at *gojq.ParseError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("jq expression %q, at character %d: %w",
				expression, at.Offset-len(at.Token)+1, err)
		}
		return nil, fmt.Errorf("jq expression %q: %w", expression, err)
	}
	code, err := gojq.Compile(query, gojq.WithEnvironLoader(os.Environ))
	if err != nil {
		return nil, fmt.Errorf("jq expression %q: %w", expression, err)
	}
	return &filter{code: code}, nil
}

// filterError is an error of the jq expression for one item.
type filterError struct{ err error }

func (e *filterError) Error() string { return "jq expression: " + e.err.Error() }
func (e *filterError) Unwrap() error { return e.err }

// IsFilterError reports whether the jq expression failed for an item. An endless
// stream reports such an error and continues.
func IsFilterError(err error) bool {
	var filter *filterError
	return errors.As(err, &filter)
}

// run calls emit with each result. Numbers that the expression does not change
// keep their text; computed ones have jq's precision.
func (f *filter) run(text []byte, emit func(any) error) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var input any
	if err := decoder.Decode(&input); err != nil {
		return fmt.Errorf("parse the output for the jq expression: %w", err)
	}
	results := f.code.Run(input)
	for {
		v, ok := results.Next()
		if !ok {
			return nil
		}
		if err, ok := v.(error); ok {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return &filterError{err}
		}
		if err := emit(v); err != nil {
			return err
		}
	}
}

// filtered writes the results of the jq expression for a JSON text, like
// `gh --jq`: strings without quotes, null as an empty line, others as JSON.
func (p *Printer) filtered(text []byte) error {
	return p.jq.run(text, func(v any) error {
		switch v := v.(type) {
		case nil:
			return p.write([]byte("\n"))
		case string:
			if p.opt.Terminal {
				v = SafeMultiline(v)
			}
			return p.write([]byte(v + "\n"))
		}
		result, err := gojq.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode the result of the jq expression: %w", err)
		}
		result = rewrite(result)
		if p.opt.Terminal && p.opt.Format != JSONL {
			result = pretty(result, "")
		}
		return p.write(append(p.style.colored(result), '\n'))
	})
}
