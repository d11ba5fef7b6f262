package output_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

func TestMerge(t *testing.T) {
	type object struct {
		ID string `json:"id"`
	}
	views := []output.View{
		{Title: "a", Value: []object{{"1"}, {"2"}}, Names: []string{"1", "2"}, Table: output.TableView{
			Columns: []output.Column{{Name: "ID"}, {Name: "URL"}}, Rows: [][]string{{"1", "x"}, {"2", "y"}},
		}},
		{Title: "nothing", Value: []object(nil)},
		{Title: `<\u001b>`, Value: map[string]any{"profile": "its own", "n": 1}, Fields: []output.Field{{Name: "Name", Value: "v"}}, Table: output.TableView{
			Columns: []output.Column{{Name: "NOTE"}, {Name: "ID"}}, Rows: [][]string{{"z", "3"}},
		}},
		{Title: "empty", Value: struct{}{}},
	}
	const lines = `{"profile":"a","id":"1"}
{"profile":"a","id":"2"}
{"n":1,"profile":"its own"}
{"profile":"empty"}
`
	for name, test := range map[string]struct {
		merge  func(string, []output.View) (output.View, error)
		format output.Format
		want   string
	}{
		"rows":           {output.MergeRows, output.Table, "PROFILE   ID  URL  NOTE\na         1   x\na         2   y\n<\\u001b>  3        z\n"},
		"sections":       {output.MergeSections, output.Table, "profile a\nID  URL\n1   x\n2   y\n\nprofile <\\u001b>\nName:  v\n\nNOTE  ID\nz     3\n"},
		"lines":          {output.MergeRows, output.JSONL, lines},
		"lines, section": {output.MergeSections, output.JSONL, lines},
		"names":          {output.MergeRows, output.Name, "1\n2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			view, err := test.merge("profile", views)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			p, err := output.New(&out, output.Options{Format: test.format})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Print(view); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
