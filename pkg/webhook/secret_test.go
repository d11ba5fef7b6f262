package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseSecret(t *testing.T) {
	long := strings.Repeat("0f", 200)
	for _, test := range []struct {
		text string
		err  error
	}{
		{"00", nil},
		{"deadbeef", nil},
		{"DEADbeef", nil},
		{long, nil},
		{"", ErrSecretEmpty},
		{"abc", ErrSecretOdd},
		{"zz", ErrSecretNotHex},
		{"s3cret-with-dashes!", ErrSecretNotHex},
		{"0x00ff", ErrSecretNotHex},
		{"00ff\n", ErrSecretNotHex},
		{" 00ff", ErrSecretNotHex},
		{"<omitted>", ErrSecretNotHex},
	} {
		s, err := ParseSecret(test.text)
		if !errors.Is(err, test.err) {
			t.Errorf("ParseSecret(%q): %v, want %v", test.text, err, test.err)
		}
		if err != nil && !s.IsZero() {
			t.Errorf("ParseSecret(%q) gives %v besides an error", test.text, s)
		}
		if err != nil && len(test.text) > 10 && strings.Contains(err.Error(), test.text) {
			t.Errorf("the error quotes the secret: %v", err)
		}
		if err == nil && (s.IsZero() || s.Hex() != test.text) {
			t.Errorf("ParseSecret(%q).Hex() = %q", test.text, s.Hex())
		}
	}
}

func TestGenerateSecret(t *testing.T) {
	a, b := GenerateSecret(), GenerateSecret()
	if a == b || a.Fingerprint() == b.Fingerprint() {
		t.Error("two generated secrets are the same")
	}
	if len(a.Hex()) != 2*GeneratedSecretSize {
		t.Errorf("%d digits, want %d", len(a.Hex()), 2*GeneratedSecretSize)
	}
	again := mustSecret(t, a.Hex())
	if again != a || again.Sign(nil) != a.Sign(nil) {
		t.Error("a generated secret does not survive its text")
	}
}

func TestFingerprint(t *testing.T) {
	lower, upper := mustSecret(t, "deadbeef"), mustSecret(t, "DEADBEEF")
	if lower.Fingerprint() != upper.Fingerprint() || len(lower.Fingerprint()) != 8 {
		t.Errorf("%q and %q", lower.Fingerprint(), upper.Fingerprint())
	}
	if lower.Fingerprint() == mustSecret(t, "deadbeee").Fingerprint() {
		t.Error("different secrets have one fingerprint")
	}
	var none Secret
	if none.Fingerprint() != "" || none.String() != "no secret" || !none.IsZero() || none.Hex() != "" {
		t.Errorf("no secret: %q, %q", none.Fingerprint(), none)
	}
	if EmptySecret().IsZero() || EmptySecret() == none || EmptySecret().Sign(nil) != sign("", nil) {
		t.Error("the empty secret is none at all")
	}
}

// However a secret is printed, neither its text nor its key is shown.
func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "73656372657431323334" // the key is the text secret1234
	s := mustSecret(t, text)
	type exported struct{ S Secret }
	type hidden struct {
		s Secret
		p *Secret
	}
	values := map[string]any{
		"a secret": s, "a pointer": &s, "a struct": exported{s}, "a pointer to one": &exported{s},
		"an unexported field": hidden{s, &s}, "a pointer to that": &hidden{s, &s},
		"a slice": []Secret{s}, "a map": map[string]Secret{"k": s}, "a key": map[Secret]int{s: 1},
		"an interface": []any{s, hidden{s, nil}},
	}
	var all strings.Builder
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%w", "%t", "%U", "%64v"} {
			fmt.Fprintf(&all, "%s as %s: "+verb+"\n", name, verb[1:], v)
		}
		fmt.Fprintln(&all, v)
		fmt.Fprintln(&all, errors.Join(fmt.Errorf("%v", v)))
		if b, err := json.Marshal(v); err == nil {
			fmt.Fprintln(&all, string(b))
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&all, nil), slog.NewJSONHandler(&all, nil)} {
			slog.New(h).Info(name, "value", v)
		}
	}
	for _, leak := range []string{
		text, "secret1234", fmt.Sprintf("%x", text), strings.ToUpper(fmt.Sprintf("%x", text)),
		"115 101 99 114 101 116", "55 51 54 53", "U+0073",
	} {
		for line := range strings.Lines(all.String()) {
			if strings.Contains(line, leak) {
				t.Errorf("%q shows in: %s", leak, line)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got, want := fmt.Sprintf(verb, s), "secret "+s.Fingerprint(); got != want {
			t.Errorf("%s shows %q, want %q", verb, got, want)
		}
	}
}
