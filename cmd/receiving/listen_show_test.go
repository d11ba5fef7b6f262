package receiving

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// TestListenFitsATerminal checks that an event fits on one line of a terminal of
// 80 columns, with only the end of its note truncated.
func TestListenFitsATerminal(t *testing.T) {
	t.Parallel()
	for _, utc := range []bool{false, true} {
		columns, fit := recordTable(80, utc)
		row := []string{
			"2026-11-23 18:33:07", "204", "unchecked", "2100221b", "device-inventory-changed",
			"769e5a83-259c-4506-ab05-9c2564f196fd", "decommissioned, not forwarded, connection refused",
		}
		if utc {
			row[0] += "Z"
		}
		fit(row)
		var shown bytes.Buffer
		p, err := output.New(&shown, output.Options{Format: output.Table, Terminal: true, Width: 80, Endless: true})
		if err != nil {
			t.Fatal(err)
		}
		stream := p.Stream(columns)
		if err := stream.Write(output.Item{Row: row}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(shown.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		for _, want := range []string{"\n18:33:07", "  inventory-changed  ", "769e5a", "decom"} {
			if !strings.Contains(shown.String(), want) {
				t.Errorf("no %q in\n%s", want, shown.String())
			}
		}
	}
}
