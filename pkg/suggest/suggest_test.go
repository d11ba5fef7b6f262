package suggest

import "testing"

func TestName(t *testing.T) {
	names := []string{"url", "secret", "forward-to", "device-status-changed"}
	for misspelt, want := range map[string]string{
		"URL": "url", "secert": "secret", "forward_to": "forward-to", "forwrd-to": "forward-to", "device-status-change": "device-status-changed",
		"colour": "", "x": "", "": "",
	} {
		if got := Name(misspelt, names); got != want {
			t.Errorf("%q: got %q, want %q", misspelt, got, want)
		}
	}
}
