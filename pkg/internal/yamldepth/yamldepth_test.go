package yamldepth

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	var indented strings.Builder
	for i := range Max + 2 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"lists": strings.Repeat("[", 40_000), "mappings": strings.Repeat("{a: ", 40_000), "both": strings.Repeat("[{a: ", 20_000),
		"dashes": strings.Repeat("- ", 40_000), "keys": strings.Repeat("? ", 40_000), "indented": indented.String(),
		"later": "a: b\nc: " + strings.Repeat("[", 40_000),
	} {
		var deep *Error
		if err := Check([]byte(text)); !errors.As(err, &deep) || deep.Line == 0 {
			t.Errorf("%s: got %v, want an *Error", name, err)
		}
	}
	for name, text := range map[string]string{
		"ordinary": "a:\n  - b: [c, {d: e}]\n    f: g\n", "many": strings.Repeat("- a\n", 1000),
		"brackets in text": "a: '" + strings.Repeat("[", 1000) + "'\n", "broken": "a: [", "empty": "",
	} {
		if err := Check([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
