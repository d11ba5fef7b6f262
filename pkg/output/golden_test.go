package output

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/NAME.golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func statusColor(cell string) Color {
	if cell == "accepted" {
		return Green
	}
	return Red
}

var sampleColumns = []Column{
	{Name: "id", Min: 8},
	{Name: "Device"},
	{Name: "Status", Min: 10, Color: statusColor},
	{Name: "Error", Shrink: true},
}

var sampleRows = [][]string{
	{"48919a10", "sensor", "accepted", ""},
	{"27f35fc7", "温度計", "rejected", `Post "https://example.com/a/rather/long/path": EOF`},
	{"901ad6d4", "evil\x1b]0;owned\a\n\u202edrow", "noauth", "\u200b"},
}

const sampleObject = `{"z_last":"first","id":"27f35fc7","number":123456789012345678901234567890,` +
	`"price":1.50,"text":"a\u003cb & \u001b[31m` + "\u202e\u0085" + `","null":null,"yes":true,` +
	`"list":[1e5,"12:30","no","",{"k":[],"o":{}}],"lines":"one\ntwo"}`

func sampleView() View {
	value := []json.RawMessage{json.RawMessage(sampleObject), json.RawMessage(`{"id":"x"}`)}
	return View{
		Value: value,
		Table: TableView{Columns: sampleColumns, Rows: sampleRows},
		Names: []string{"27f35fc7", "x\ny"},
	}
}

var goldenOptions = []struct {
	name string
	opt  Options
}{
	{"table", Options{}},
	{"table-terminal", Options{Terminal: true, Color: true, Width: 72}},
	{"table-narrow", Options{Terminal: true, Width: 20}},
	{"table-wide", Options{Terminal: true, Width: 200}},
	{"json", Options{Format: JSON}},
	{"json-color", Options{Format: JSON, Color: true, Terminal: true}},
	{"jsonl", Options{Format: JSONL}},
	{"yaml", Options{Format: YAML}},
	{"name", Options{Format: Name}},
	{"none", Options{Format: None}},
}

func TestPrint(t *testing.T) {
	for _, test := range goldenOptions {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := newPrinter(t, &b, test.opt).Print(sampleView()); err != nil {
				t.Fatal(err)
			}
			golden(t, "print-"+test.name, b.Bytes())
		})
	}
}

func TestStream(t *testing.T) {
	for _, test := range goldenOptions {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			s := newPrinter(t, &b, test.opt).Stream(sampleColumns)
			for _, row := range sampleRows {
				item := Item{Value: json.RawMessage(sampleObject), Row: row, Name: row[0]}
				if err := s.Write(item); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			golden(t, "stream-"+test.name, b.Bytes())
		})
	}
}

func TestFields(t *testing.T) {
	view := View{
		Fields: []Field{
			{Name: "ID", Value: "27f35fc7"},
			{Name: "Status", Value: "rejected", Color: Red},
			{Name: "Description", Value: "one\n\ttwo \x1b[2J\n"},
			{Name: "Nothing", Value: ""},
			{Name: "Payload", JSON: json.RawMessage(`{"b":[1,{"a":"x"}],"a":null}`)},
		},
		Table: TableView{Columns: sampleColumns, Rows: sampleRows[:1]},
		More: []TableView{
			{Title: "nothing to see", Columns: sampleColumns},
			{Title: "By hour", Columns: []Column{{Name: "hour"}, {Name: "events"}}, Rows: [][]string{
				{"09:00", Bar(5, 8, 10, false)}, {"10:00", Bar(8, 8, 10, true)}, {"11:00", Bar(0, 8, 10, true)},
			}},
		},
	}
	for _, test := range goldenOptions[:2] {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := newPrinter(t, &b, test.opt).Print(view); err != nil {
				t.Fatal(err)
			}
			golden(t, "fields-"+test.name, b.Bytes())
		})
	}
}

func newPrinter(t *testing.T, b *bytes.Buffer, o Options) *Printer {
	t.Helper()
	p, err := New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
