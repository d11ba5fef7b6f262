package webhook

import "testing"

func TestHeaderLinesAreReadAsToolsPrintThem(t *testing.T) {
	for _, line := range []string{
		"X-Men-Signature: 00ff", "x-men-signature:00ff", "> X-Men-Signature: 00ff", ">\tX-Men-Signature: 00ff\r\n",
		"< X-Men-Signature: 00ff", "-H 'X-Men-Signature: 00ff'", `-H "X-Men-Signature: 00ff"`, `"X-Men-Signature: 00ff"`,
		"  X-Men-Signature : 00ff ",
	} {
		header, err := ParseHeader([]string{line})
		if err != nil || header.Get(HeaderSignature) != "00ff" || len(header) != 1 {
			t.Errorf("%q: %v, %v", line, header, err)
		}
	}
	for _, line := range []string{"", "nonsense", ": x", "POST /hook?a:b HTTP/1.1", "> POST / HTTP/1.1"} {
		if header, err := ParseHeader([]string{line}); err == nil {
			t.Errorf("%q was read as %v", line, header)
		}
	}
}
