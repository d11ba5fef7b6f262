package filter_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs checks the expressions of docs/formats.md.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	event := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindSubmatch(page)
	rows := regexp.MustCompile("(?m)^\\| `(.*)` \\| (yes|no) \\|$").FindAllSubmatch(page, -1)
	if event == nil || len(rows) < 5 {
		t.Fatalf("an event and %d expressions found", len(rows))
	}
	for _, row := range rows {
		expr := strings.ReplaceAll(string(row[1]), `\|`, "|")
		r, arrived := deliver(t, expr, string(event[1]), false)
		if arrived != (string(row[2]) == "yes") || r.Err != nil {
			t.Errorf("%s: arrived %t, %v; the page says %s", expr, arrived, r.Err, row[2])
		}
	}
}
