package output

import (
	"strings"
	"testing"
)

// A short id has at least eight characters, and no other known id begins with it.
func TestShortIDsAreUnique(t *testing.T) {
	ids := []string{
		"48919a10-2fbd", "48919a10-3fbd", "x", "device-1", "device-12", "device-3", "device-34", "温度計温度計温度計温", "温度計温度計温度湿",
		strings.Repeat("d", 100),
	}
	var p prefixes
	for _, id := range ids {
		p.add(id)
	}
	for n, want := range []string{
		"48919a10-2", "48919a10-3", "x", "device-1", "device-12", "device-3", "device-34", "温度計温度計温度計", "温度計温度計温度湿", "dddddddd",
	} {
		if got := p.short(ids[n]); got != want {
			t.Errorf("%s: %q, want %q", ids[n], got, want)
		}
	}
}
