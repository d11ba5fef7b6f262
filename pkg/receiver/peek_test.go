package receiver

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// FuzzPeek checks that peek reads what webhook.ParseEvent reads.
func FuzzPeek(f *testing.F) {
	raw, err := os.ReadFile("testdata/deliveries.json")
	if err != nil {
		f.Fatal(err)
	}
	var file struct{ Deliveries []struct{ Body string } }
	if err := json.Unmarshal(raw, &file); err != nil {
		f.Fatal(err)
	}
	for _, d := range file.Deliveries {
		f.Add([]byte(d.Body))
	}
	for _, s := range []string{
		``, ` `, `null`, `[]`, `{}`, `"id"`, `{"id":"a","type":"b"}`, ` {"type":"b","id":"a"} `,
		`{"id":"a","id":"b","type":"c"}`, `{"ID":"a","Type":"b"}`, `{"id":"a","ID":"x","type":"b"}`,
		`{"id":{"id":"a"},"type":"b"}`, `{"data":{"id":"x","type":"y"},"id":"a","type":"b"}`,
		`{"data":["id","type"],"id":"a","type":"b"}`, `{"\u0069d":"a","type":"b"}`, `{"id":"\u0061","type":"b"}`,
		`{"id":null,"type":"b"}`, `{"id":"a","type":["b"]}`, `{"id":1,"type":"b"}`, `{"id":"a","id":null,"type":"b"}`,
		`{"x":"id","type":"b","id":"a"}`, `{"id":"","type":"b"}`, "{\"id\":\"\xff\",\"type\":\"b\"}",
		`{"a\"b":"\\","id":"a","type":"b"}`, `{"id":"a","type":"b"`, `{"id":"a","type":"b"}x`, `{"x":[{}],"id":"a","type":"b","n":-1e5,"t":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, typ, err := peek(body)
		e, wantErr := webhook.ParseEvent(body)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("peek says %v, ParseEvent %v", err, wantErr)
		}
		if err == nil && (id != e.ID || typ != e.Type) {
			t.Fatalf("peek says %q %q, ParseEvent %q %q", id, typ, e.ID, e.Type)
		}
	})
}
