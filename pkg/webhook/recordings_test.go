package webhook

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

// recording is one delivery from the real iot-manager, as a receiver read it.
type recording struct {
	ReceiverAnswers string            `json:"receiver_answers"`
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	HeaderText      map[string]string `json:"headers"`
	BodyBase64      string            `json:"body_base64"`
	SecretHex       *string           `json:"secret_hex"` // null is none, "" the empty one

	body   []byte
	header http.Header
}

// secret returns the webhook's secret.
func (r recording) secret(t testing.TB) Secret {
	t.Helper()
	switch {
	case r.SecretHex == nil:
		return Secret{}
	case *r.SecretHex == "":
		return EmptySecret()
	}
	return mustSecret(t, *r.SecretHex)
}

func (r recording) signed() bool { return r.header.Get(HeaderSignature) != "" }

func recordings(t testing.TB) []recording {
	t.Helper()
	var all []recording
	for _, name := range []string{"testdata/deliveries.json", "testdata/devices-deliveries.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var one struct{ Deliveries []recording }
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one.Deliveries...)
	}
	if len(all) != 17+26 {
		t.Fatalf("%d recorded deliveries, want 43", len(all))
	}
	for i := range all {
		r := &all[i]
		var err error
		if r.body, err = base64.StdEncoding.DecodeString(r.BodyBase64); err != nil {
			t.Fatal(err)
		}
		r.header = http.Header{}
		for name, value := range r.HeaderText {
			r.header.Set(name, value)
		}
	}
	return all
}

func mustSecret(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
