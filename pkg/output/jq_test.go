package output

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestJQ(t *testing.T) {
	list := json.RawMessage(`[{"id":"a","n":123456789012345678901234567890,"s":"x\u001b[2J\ny\tz"},{"id":"b","n":1.50}]`)
	for _, test := range []struct {
		name, jq string
		opt      Options
		want     string
	}{
		{"strings are raw", ".[].id", Options{}, "a\nb\n"},
		{"numbers keep their text", ".[].n", Options{}, "123456789012345678901234567890\n1.50\n"},
		{"null is an empty line", ".[0].nosuch", Options{}, "\n"},
		{"no result", "empty", Options{}, ""},
		{"compact in a pipe", "map({id})", Options{Format: JSON}, "[{\"id\":\"a\"},{\"id\":\"b\"}]\n"},
		{"indented on a terminal", ".[0]|{id}", Options{Terminal: true}, "{\n  \"id\": \"a\"\n}\n"},
		{"coloured", ".[0]|{id}", Options{Terminal: true, Color: true}, "{\n  \x1b[34m\"id\"\x1b[0m: \x1b[32m\"a\"\x1b[0m\n}\n"},
		{"raw in a pipe", ".[0].s", Options{}, "x\x1b[2J\ny\tz\n"},
		{"safe on a terminal", ".[0].s", Options{Terminal: true}, "x\\x1b[2J\ny\tz\n"},
		{"escaped inside JSON", "[.[0].s]", Options{}, "[\"x\\u001b[2J\\ny\\tz\"]\n"},
		{"each line by itself", ".id", Options{Format: JSONL}, "a\nb\n"},
		{"halt", "1, halt, 2", Options{}, "1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.opt.JQ = test.jq
			var b bytes.Buffer
			if err := newPrinter(t, &b, test.opt).Print(View{Value: list}); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestJQStream(t *testing.T) {
	for _, test := range []struct {
		name, jq, want string
		opt            Options
	}{
		{"a table becomes an array", "length", "2\n", Options{}},
		{"an endless table becomes lines", ".id", "a\nb\n", Options{Endless: true}},
		{"lines", ".id", "a\nb\n", Options{Format: JSONL}},
		{"an array", "map(.id)", "[\"a\",\"b\"]\n", Options{Format: JSON}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.opt.JQ = test.jq
			var b bytes.Buffer
			s := newPrinter(t, &b, test.opt).Stream(sampleColumns)
			for _, id := range []string{"a", "b"} {
				if err := s.Write(Item{Value: map[string]string{"id": id}, Row: []string{id}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	var b bytes.Buffer
	if err := newPrinter(t, &b, Options{JQ: "length"}).Stream(nil).Close(); err != nil || b.String() != "0\n" {
		t.Errorf("an empty stream: %q, %v", b.String(), err)
	}
}

func TestJQErrors(t *testing.T) {
	for _, test := range []struct {
		jq     string
		format Format
		want   string
	}{
		{".foo[", "", `".foo[", at character 6: unexpected EOF`},
		{".a | }", JSON, "at character 6"},
		{"nosuch", JSONL, "function not defined: nosuch/0"},
		{"$x", "", "variable not defined: $x"},
		{".", YAML, "the output format is yaml"},
		{".", Name, "the output format is name"},
		{".", None, "the output format is none"},
	} {
		_, err := New(&bytes.Buffer{}, Options{Format: test.format, JQ: test.jq})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s with %q: %v, want %q in it", test.jq, test.format, err, test.want)
		}
	}
	if _, err := New(&bytes.Buffer{}, Options{Format: "xml"}); err == nil {
		t.Error("an unknown format is no error")
	}
	var b bytes.Buffer
	err := newPrinter(t, &b, Options{JQ: ".[] | .x"}).Print(View{Value: []any{map[string]int{"x": 1}, 2}})
	if err == nil || !strings.Contains(err.Error(), "expected an object but got: number (2)") {
		t.Errorf("at run time: %v", err)
	}
	if b.String() != "1\n" {
		t.Errorf("before the error: %q", b.String())
	}
}
