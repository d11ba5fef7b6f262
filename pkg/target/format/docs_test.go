package format_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/format"
)

// TestDocs checks the CloudEvent of docs/formats.md.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d JSON blocks", len(blocks))
	}
	var want bytes.Buffer
	if err := json.Compact(&want, blocks[1][1]); err != nil {
		t.Fatal(err)
	}
	var app sink
	r, got := deliver(t, format.CloudEvents(&app, format.Source("")), &app, string(blocks[0][1]))
	if r.Err != nil || string(got.Body) != want.String() {
		t.Errorf("%v\ngot  %s\nwant %s", r.Err, got.Body, want.String())
	}
}
