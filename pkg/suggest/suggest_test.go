package suggest

import "testing"

func TestName(t *testing.T) {
	names := []string{"url", "secret", "forward-to", "device-status-changed"}
	for misspelled, want := range map[string]string{
		"URL": "url", "secert": "secret", "forward_to": "forward-to", "forwrd-to": "forward-to", "device-status-change": "device-status-changed",
		"colour": "", "x": "", "": "",
	} {
		if got := Name(misspelled, names); got != want {
			t.Errorf("%q: got %q, want %q", misspelled, got, want)
		}
	}
}
