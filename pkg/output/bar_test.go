package output

import "testing"

func TestBar(t *testing.T) {
	for _, test := range []struct {
		value, most, width int
		blocks             bool
		want               string
	}{
		{8, 8, 4, false, "####"},
		{4, 8, 4, false, "##"},
		{1, 1000, 4, false, "#"},
		{0, 8, 4, false, ""},
		{-1, 8, 4, true, ""},
		{1, 0, 4, true, ""},
		{1, 1, 0, true, ""},
		{9, 8, 4, true, "████"},
		{8, 8, 4, true, "████"},
		{5, 8, 4, true, "██▌"},
		{1, 1000, 4, true, "▏"},
		{31, 32, 4, true, "███▉"},
	} {
		if got := Bar(test.value, test.most, test.width, test.blocks); got != test.want {
			t.Errorf("Bar(%d, %d, %d, %v) = %q, want %q", test.value, test.most, test.width, test.blocks, got, test.want)
		}
	}
}
