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
	const hex = "c307cc8f5ef2c4d9b6f0a1e2d3c4b5a6978877665544332211ffeeddccbbaa00"
	for _, line := range []string{
		`10.0.0.1 - - [23/Nov/2026] "POST /mender HTTP/1.1" 401 x-men-algorithm="MEN-HMAC-SHA256-Payload" x-men-signature="` + hex + `"`,
		`{"headers": {"X-Men-Signature": "` + hex + `", "X-Men-Algorithm": "MEN-HMAC-SHA256-Payload"}}`,
		`'x-men-signature', '` + hex + `'`, "http_x_men_signature=" + hex, "x_men_signature=" + hex,
		"HMAC-SHA2-256(body.json)= " + hex, "HMAC-SHA256(stdin)= " + hex, "SHA2-256(stdin)= " + hex,
	} {
		header, err := ParseHeader([]string{line})
		if err != nil || header.Get(HeaderSignature) != hex {
			t.Errorf("%q: %v, %v", line, header, err)
		}
	}
	for _, line := range []string{"", "nonsense", ": x", "POST /hook?a:b HTTP/1.1", "> POST / HTTP/1.1"} {
		if header, err := ParseHeader([]string{line}); err == nil {
			t.Errorf("%q was read as %v", line, header)
		}
	}
}
