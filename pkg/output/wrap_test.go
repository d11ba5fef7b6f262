package output

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"as it is", 0, []string{"as it is"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one  two", 8, []string{"one  two"}},
		{"  in dented text", 8, []string{"  in", "  dented", "  text"}},
		{"a word thatislonger than a line", 8, []string{"a word", "thatislo", "nger", "than a", "line"}},
		{"漢字漢字", 5, []string{"漢字", "漢字"}},
		{"漢", 1, []string{"漢"}},
		{"", 3, []string{""}},
		{"\x1b[32mone two\x1b[0m three", 7, []string{"\x1b[32mone two\x1b[0m", "three"}},
	} {
		if diff := cmp.Diff(test.want, Wrap(test.text, test.limit)); diff != "" {
			t.Errorf("Wrap(%q, %d) (-want +got):\n%s", test.text, test.limit, diff)
		}
	}
}

// A long reason continues below its row, whole, and one long id does not make the
// column of ids wide.
func TestWholeReasonsAndShortIDs(t *testing.T) {
	columns := []Column{{Name: "id", ID: true, Min: 36}, {Name: "event", Min: 5}, {Name: "error", Whole: true}}
	long := strings.Repeat("d", 3000)
	rows := [][]string{
		{"48919a10-2fbd-4ab4-8420-e2cb959938a4", "one", "EOF"},
		{"48919a10-3fbd-4ab4-8420-e2cb959938a4", "two", "dial tcp 203.0.113.7:443: connect: connection refused"},
		{long + "a", "three", ""},
		{long + "b", "four", "EOF"},
	}
	printed := func(o Options, stream bool) string {
		var b bytes.Buffer
		p := newPrinter(t, &b, o)
		if !stream {
			if err := p.Print(View{Table: TableView{Columns: columns, Rows: rows}}); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		s := p.Stream(columns)
		for _, row := range rows {
			if err := s.Write(Item{Row: row, Below: []string{"hint: one two"}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	cutID := strings.Repeat("d", 35) + "…"
	if diff := cmp.Diff("ID        EVENT  ERROR\n"+
		"48919a10-2  one  EOF\n"+
		"48919a10-3  two\n          dial tcp 203.0.113.7:443:\n          connect: connection refused\n"+
		cutID+"\n          three\n"+
		cutID+"\n          four  EOF\n", printed(Options{Terminal: true, Width: 40}, false)); diff != "" {
		t.Errorf("a table on a terminal (-want +got):\n%s", diff)
	}
	if got := printed(Options{Terminal: true, Width: 40}, true); !strings.Contains(got, "\n48919a10  one    EOF\n          hint: one two\n48919a10-3  two\n") {
		t.Errorf("a stream on a terminal:\n%s", got)
	}
	for _, o := range []Options{{}, {Terminal: true, Width: 40, Columns: []string{"id", "event", "error"}}} {
		for _, stream := range []bool{false, true} {
			got := printed(o, stream)
			for _, row := range rows {
				if !strings.Contains(got, row[0]+"  "+row[1]) || !strings.Contains(got, row[2]) {
					t.Errorf("%+v, stream %v: no %.40q… in full:\n%.500s", o, stream, row[0], got)
				}
			}
			for line := range strings.Lines(got) {
				if strings.Contains(line, "           ") && len(line) > 200 {
					t.Errorf("%+v, stream %v: a long id pads the line %.60q…", o, stream, line)
				}
			}
		}
	}
}

// Whatever the cells are, no line is longer than the terminal, and all text of a cell
// that may not be cut is there.
func TestNoLineIsLongerThanTheTerminal(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []rune("ab cd ef  漢字é-→")
	text := func(most int) string {
		runes := make([]rune, random.IntN(most))
		for i := range runes {
			runes[i] = letters[random.IntN(len(letters))]
		}
		return strings.TrimSpace(string(runes))
	}
	columns := []Column{{Name: "time", Min: 8}, {Name: "url", Shrink: true}, {Name: "event", Min: 5}, {Name: "error", Whole: true}}
	for range 2000 {
		total := 20 + random.IntN(80)
		var rows [][]string
		for range 1 + random.IntN(3) {
			rows = append(rows, []string{text(30), text(40), text(30), text(200)})
		}
		for _, stream := range []bool{false, true} {
			var b bytes.Buffer
			p := newPrinter(t, &b, Options{Terminal: true, Width: total})
			if !stream {
				if err := p.Print(View{Table: TableView{Columns: columns, Rows: rows}}); err != nil {
					t.Fatal(err)
				}
			} else {
				s := p.Stream(columns)
				for _, row := range rows {
					if err := s.Write(Item{Row: row, Below: []string{text(100)}}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for line := range strings.Lines(b.String()) {
				if n := width(strings.TrimSuffix(line, "\n")); n > total {
					t.Fatalf("width %d, stream %v: a line of %d:\n%s", total, stream, n, b.String())
				}
			}
			squeezed := strings.Join(strings.Fields(b.String()), "")
			for _, row := range rows {
				for _, n := range []int{0, 2, 3} {
					if want := strings.Join(strings.Fields(row[n]), ""); !strings.Contains(squeezed, want) {
						t.Fatalf("width %d, stream %v: no %q in\n%s", total, stream, row[n], b.String())
					}
				}
			}
		}
	}
}
