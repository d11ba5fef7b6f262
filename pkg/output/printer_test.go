package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("ParseFormat(%q) = %q, %v", f, got, err)
		}
	}
	for _, test := range []struct {
		text     string
		accepted []Format
		want     string
	}{
		{"xml", nil, `unknown output format "xml": choose one of table, json, jsonl, yaml, name, none`},
		{"", nil, "choose one of table, json"},
		{"JSON", nil, "choose one of table, json"},
		{"jsonl", []Format{Table, JSON}, `"jsonl": choose one of table, json`},
		{"\x1b[2J", nil, `\x1b[2J`},
	} {
		_, err := ParseFormat(test.text, test.accepted...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseFormat(%q, %v): %v, want %q in it", test.text, test.accepted, err, test.want)
		}
	}
}

func TestPrintLists(t *testing.T) {
	for _, test := range []struct {
		name  string
		opt   Options
		value any
		want  string
	}{
		{"an empty table is silent", Options{}, []int{}, ""},
		{"an empty list", Options{Format: JSON}, []int{}, "[]\n"},
		{"an empty list as lines", Options{Format: JSONL}, []int{}, ""},
		{"a nil list as lines", Options{Format: JSONL}, []int(nil), ""},
		{"an empty list as YAML", Options{Format: YAML}, []int{}, "[]\n"},
		{"one object as a line", Options{Format: JSONL}, map[string]int{"a": 1}, "{\"a\":1}\n"},
		{"a string as YAML", Options{Format: YAML}, "no", "\"no\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			view := View{Value: test.value, Table: TableView{Columns: sampleColumns}}
			if err := newPrinter(t, &b, test.opt).Print(view); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPrintUnencodableValue(t *testing.T) {
	for _, f := range []Format{JSON, JSONL, YAML} {
		var b bytes.Buffer
		if err := newPrinter(t, &b, Options{Format: f}).Print(View{Value: func() {}}); err == nil || b.Len() > 0 {
			t.Errorf("%s: error %v, printed %q", f, err, b.String())
		}
	}
}

// writes records each Write.
type writes []string

func (w *writes) Write(b []byte) (int, error) { *w = append(*w, string(b)); return len(b), nil }

// A stream writes each value at once and in one piece, so that the lines of two
// programs do not mix.
func TestStreamWritesAtOnce(t *testing.T) {
	for format, want := range map[Format]writes{
		JSONL: {"{\"a\":1}\n", "{\"a\":1}\n"},
		JSON:  {"[\n  {\n    \"a\": 1\n  }", ",\n  {\n    \"a\": 1\n  }", "\n]\n"},
		YAML:  {"- a: 1\n", "- a: 1\n"},
		Table: {"ID  B\nx   y\n", "x   y\n"},
		Name:  {"x\n", "x\n"},
	} {
		t.Run(string(format), func(t *testing.T) {
			var got writes
			p, err := New(&got, Options{Format: format, Endless: true})
			if err != nil {
				t.Fatal(err)
			}
			s := p.Stream([]Column{{Name: "id"}, {Name: "b"}})
			for i := range 2 {
				item := Item{Value: json.RawMessage(`{"a":1}`), Row: []string{"x", "y"}, Name: "x"}
				if err := s.Write(item); err != nil {
					t.Fatal(err)
				}
				if len(got) != i+1 {
					t.Errorf("after %d items: %d writes", i+1, len(got))
				}
			}
			if err := errors.Join(s.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if err := s.Write(Item{}); err == nil {
				t.Error("Write after Close is no error")
			}
		})
	}
}

func TestEmptyStream(t *testing.T) {
	for format, want := range map[Format]string{
		Table: "", JSON: "[]\n", JSONL: "", YAML: "[]\n", Name: "", None: "",
	} {
		var b bytes.Buffer
		if err := newPrinter(t, &b, Options{Format: format}).Stream(sampleColumns).Close(); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}

func TestClosedPipe(t *testing.T) {
	for _, format := range []Format{Table, JSON, JSONL, YAML, Name} {
		t.Run(string(format), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			p, err := New(w, Options{Format: format, Endless: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Print(sampleView()); !IsClosed(err) {
				t.Errorf("Print: %v", err)
			}
			s := p.Stream(sampleColumns)
			for range 2 {
				if err := s.Write(Item{Row: sampleRows[0], Name: "x"}); !IsClosed(err) {
					t.Errorf("Write: %v", err)
				}
			}
			if err := s.Close(); !IsClosed(err) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// Only a broken pipe of stdout itself ends a command quietly: not that of a
// connection, and not together with another error.
func TestIsClosedMeansStdoutOnly(t *testing.T) {
	write := func(cause error) error {
		_, err := Stdout(&counted{fail: cause}).Write([]byte("x"))
		return err
	}
	closed, full := write(syscall.EPIPE), write(syscall.ENOSPC)
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":                {nil, false},
		"stdout":              {closed, true},
		"wrapped":             {fmt.Errorf("write: %w", closed), true},
		"twice":               {errors.Join(closed, fmt.Errorf("close: %w", write(io.ErrClosedPipe))), true},
		"with another":        {errors.Join(closed, errors.New("the store is damaged")), false},
		"full disk":           {full, false},
		"connection":          {fmt.Errorf("write tcp: %w", syscall.EPIPE), false},
		"connection and file": {errors.Join(syscall.EPIPE, io.ErrClosedPipe), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IsClosed(test.err); got != test.want {
				t.Errorf("IsClosed = %v", got)
			}
		})
	}
}

// A table must fit a terminal of any width, as long as the columns that may not be
// truncated fit.
func TestTableFitsTerminal(t *testing.T) {
	for total := 38; total < 130; total++ {
		for _, stream := range []bool{false, true} {
			var b bytes.Buffer
			p := newPrinter(t, &b, Options{Terminal: true, Width: total})
			rows := append([][]string{{"a", "b", "c", strings.Repeat("漢字é", 30)}}, sampleRows[:2]...)
			if stream {
				s := p.Stream(sampleColumns)
				for _, row := range rows {
					if err := s.Write(Item{Row: row}); err != nil {
						t.Fatal(err)
					}
				}
			} else if err := p.Print(View{Table: TableView{Columns: sampleColumns, Rows: rows}}); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if w := width(strings.TrimSuffix(line, "\n")); w > total {
					t.Errorf("width %d, stream %v: a line takes %d:\n%s", total, stream, w, line)
				}
			}
		}
	}
}

func TestShortAndLongRows(t *testing.T) {
	var b bytes.Buffer
	table := TableView{
		Columns: []Column{{Name: "a"}, {Name: "b"}},
		Rows:    [][]string{{"1"}, {"1", "2", "3"}, nil},
	}
	if err := newPrinter(t, &b, Options{}).Print(View{Table: table}); err != nil {
		t.Fatal(err)
	}
	if want := "A  B\n1\n1  2\n\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// counted counts writes, and fails after a given number.
type counted struct {
	bytes.Buffer
	writes int
	fail   error
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	if c.fail != nil {
		return 0, c.fail
	}
	return c.Buffer.Write(p)
}

func TestStreamWaits(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		writes  func(int) bool
	}{
		"for more":         {Options{Format: Name}, func(n int) bool { return n > 1 && n < 10 }},
		"not if endless":   {Options{Format: Name, Endless: true}, func(n int) bool { return n == 20_000 }},
		"not if looked at": {Options{Format: Name, Terminal: true}, func(n int) bool { return n == 20_000 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := &counted{}
			p, err := New(w, test.options)
			if err != nil {
				t.Fatal(err)
			}
			s := p.Stream(nil)
			for range 20_000 {
				if err := s.Write(Item{Name: "twelve bytes"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil || w.Len() != 13*20_000 || !test.writes(w.writes) {
				t.Errorf("%d bytes in %d writes, %v", w.Len(), w.writes, err)
			}
		})
	}
	w := &counted{fail: io.ErrClosedPipe}
	p, err := New(w, Options{Format: Name})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Stream(nil)
	if err := s.Write(Item{Name: "x"}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); !IsClosed(err) {
		t.Errorf("Close: %v", err)
	}
}
