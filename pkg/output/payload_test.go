package output

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPayload(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for name, test := range map[string]struct {
		body string
		want []string
	}{
		"nothing":   {"", nil},
		"JSON":      {`{"b":[1],"a":"x"}`, []string{"{", `  "b": [`, "    1", "  ],", `  "a": "x"`, "}"}},
		"text":      {"one\r\n\ttwo\n", []string{"one", "    two"}},
		"deep JSON": {deep, []string{deep}},
		"long":      {strings.Repeat("x", payloadBytes+7), []string{strings.Repeat("x", payloadBytes), "… and 7 more bytes"}},
	} {
		if diff := cmp.Diff(test.want, Payload([]byte(test.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
