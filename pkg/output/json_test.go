package output

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestMarshalJSON(t *testing.T) {
	for _, test := range []struct {
		name string
		in   any
		want string
	}{
		{"no HTML escapes", map[string]string{"url": "https://h/?a=1&b=<2>"}, `{"url":"https://h/?a=1&b=<2>"}`},
		{"nor those of others", json.RawMessage(`"\u003c\u003E\u0026"`), `"<>&"`},
		{"an escaped backslash is none", json.RawMessage(`"\\u003c\\\u003c"`), `"\\u003c\\<"`},
		{"other escapes stay", json.RawMessage(`"\u00e9\/\ud83d\ude80"`), `"\u00e9\/\ud83d\ude80"`},
		{"numbers keep their text", json.RawMessage(`[1.50,1e5,-0,12345678901234567890]`), `[1.50,1e5,-0,12345678901234567890]`},
		{"keys keep their order", json.RawMessage(`{"b":1,"a":2,"b":3}`), `{"b":1,"a":2,"b":3}`},
		{"controls are escaped", "\u007f\u0085\u202e\u200b\U000e0041", `"\u007f\u0085\u202e\u200b\udb40\udc41"`},
		{"in keys too", map[string]int{"\u202e": 1}, `{"\u202e":1}`},
		{"bytes that are no UTF-8", json.RawMessage("\"a\xff\""), `"a\ufffd"`},
		{"no list", []string(nil), `[]`},
		{"no lists inside", struct {
			A []int            `json:"a"`
			B map[string][]int `json:"b"`
			C *struct{ D []any }
			E any
			F []int `json:"f,omitempty"`
			G []byte
			H json.RawMessage
		}{B: map[string][]int{"x": nil}, C: &struct{ D []any }{}, E: [][]string{nil}}, `{"a":[],"b":{"x":[]},"C":{"D":[]},"E":[[]],"G":null,"H":null}`},
		{"other scripts stay", "Größe 温度計 🚀", `"Größe 温度計 🚀"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := marshal(test.in)
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v; want %s", got, err, test.want)
			}
		})
	}
}

// decode reads JSON with numbers as text.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return v
}

var ansi = regexp.MustCompile("\x1b\\[[0-9]+m")

// FuzzJSON checks that JSON output decodes to the input, and contains no character
// that controls a terminal.
func FuzzJSON(f *testing.F) {
	for _, s := range unsafeSeeds {
		f.Add(s)
	}
	f.Add(sampleObject)
	f.Fuzz(func(t *testing.T, s string) {
		inputs := []any{map[string]any{s: s, "list": []string{s}}}
		if json.Valid([]byte(s)) {
			inputs = append(inputs, json.RawMessage(s))
		}
		for _, in := range inputs {
			reference, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			text, err := marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			onlyVisible(t, "JSON", string(text), "")
			want := decode(t, reference)
			if diff := cmp.Diff(want, decode(t, text)); diff != "" {
				t.Errorf("%s means something else (-want +got):\n%s", text, diff)
			}
			colored := Style{Enabled: true}.colored(pretty(text, ""))
			if diff := cmp.Diff(want, decode(t, ansi.ReplaceAll(colored, nil))); diff != "" {
				t.Errorf("%s means something else (-want +got):\n%s", colored, diff)
			}
		}
	})
}

// FuzzYAML checks the same for YAML, with go-yaml's decoder.
func FuzzYAML(f *testing.F) {
	for _, s := range unsafeSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := marshal(map[string]any{"k" + s: s, "list": []any{s, []any{s, map[string]any{"x": s}}, map[string]any{s: []any{}}}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := toYAML(text)
		if err != nil {
			t.Fatal(err)
		}
		onlyVisible(t, "YAML", string(out), "\n")
		var got any
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("decode %s: %v", out, err)
		}
		if diff := cmp.Diff(decode(t, text), got); diff != "" {
			t.Errorf("%s means something else (-want +got):\n%s", out, diff)
		}
	})
}

func TestPlainJSON(t *testing.T) {
	for _, at := range []int{0, 5, 7, 8, 15, 16, 17} {
		for c := range 256 {
			text := []byte("\"0123456789abcdef\"")
			text[at] = byte(c)
			if got, want := plainJSON(text), c >= ' ' && c <= '~'; got != want {
				t.Errorf("%#x at %d: %v", c, at, got)
			}
		}
	}
	if plainJSON([]byte(`"a long text with an \u001b in it"`)) {
		t.Error("an escape sequence counts as plain text")
	}
}

type cameAsJSON string

func (c cameAsJSON) Raw() json.RawMessage { return json.RawMessage(c) }

func (c cameAsJSON) MarshalJSON() ([]byte, error) { return []byte(c), nil }

func TestRawJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": 1}`:               `{"a": 1}`,
		"{\n\"a\":\"\u202e\"\n}": `{"a":"\u202e"}`,
	} {
		got, err := marshal(cameAsJSON(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}
