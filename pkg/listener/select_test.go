package listener

import (
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/filter"
)

// TestOutletSelects finds that the queue can ask a target with a filter, so that an event that
// the target does not want is never too old.
func TestOutletSelects(t *testing.T) {
	t.Parallel()
	f, err := filter.Compile(`.type == "a"`)
	if err != nil {
		t.Fatal(err)
	}
	plain := newOutlets([]Target{{}})[0]
	filtered := newOutlets([]Target{{Target: f.Target(nil, false)}})[0]
	for body, want := range map[string]bool{`{"type":"a"}`: false, `{"type":"b"}`: true} {
		event := target.Event{Body: []byte(body)}
		if r := filtered.Select(t.Context(), event); r.Skipped != want {
			t.Errorf("%s: skipped %t", body, r.Skipped)
		}
		if r := plain.Select(t.Context(), event); r.Skipped {
			t.Errorf("%s: skipped without a filter", body)
		}
	}
}
