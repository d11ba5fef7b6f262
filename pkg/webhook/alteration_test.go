package webhook_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestFindAlteration(t *testing.T) {
	t.Parallel()
	secret := webhook.GenerateSecret()
	body := []byte(`{"id":"48919a10-2fbd-4ab4-8420-e2cb959938a4","type":"device-status-changed","data":{"id":"d","note":"\u003cé\u003e","status":"accepted"},"time":"2026-11-23T10:00:00.1234Z"}`)
	withNewline := append(bytes.Clone(body), '\n')
	lines := []byte("{\"id\":\"a\",\n\"type\":\"b\"}")
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write(body)
	_ = w.Close()
	var indented bytes.Buffer
	_ = json.Indent(&indented, body, "", "  ")
	var value map[string]any
	_ = json.Unmarshal(body, &value)
	sorted, _ := json.Marshal(value)
	var unescaped bytes.Buffer
	enc := json.NewEncoder(&unescaped)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value)
	var mojibake bytes.Buffer
	for _, c := range body {
		mojibake.WriteRune(rune(c))
	}
	var latin1 []byte
	for _, r := range string(body) {
		latin1 = append(latin1, byte(r))
	}

	for name, test := range map[string]struct {
		sent, saved []byte
		want        webhook.Alteration
	}{
		"newline added":         {body, withNewline, webhook.NewlineAdded},
		"CRLF added":            {body, append(bytes.Clone(body), '\r', '\n'), webhook.NewlineAdded},
		"newline removed":       {withNewline, body, webhook.NewlineRemoved},
		"LF became CRLF":        {lines, bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")), webhook.LineEndings},
		"CRLF became LF":        {bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")), lines, webhook.LineEndings},
		"byte order mark":       {body, append([]byte("\ufeff"), body...), webhook.ByteOrderMark},
		"gzip":                  {body, compressed.Bytes(), webhook.Compressed},
		"UTF-8 read as Latin-1": {body, mojibake.Bytes(), webhook.WrongCharset},
		"written as Latin-1":    {body, latin1, webhook.WrongCharset},
		"indented":              {body, indented.Bytes(), webhook.JSONReencoded},
		"keys sorted":           {body, sorted, webhook.JSONReencoded},
		"not escaped":           {body, unescaped.Bytes(), webhook.JSONReencoded},
		"another value":         {body, bytes.Replace(body, []byte("accepted"), []byte("rejected"), 1), ""},
		"not a word of it":      {body, []byte("\x00"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := webhook.Header(test.sent, secret)
			if webhook.Verify(header, test.saved, secret).Verdict == webhook.Valid {
				t.Fatal("the saved body is not altered")
			}
			got := webhook.FindAlteration(header, test.saved, webhook.GenerateSecret(), secret)
			if got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
			if (got != "") != (got.Fix() != "") {
				t.Errorf("fix of %q: %q", got, got.Fix())
			}
		})
	}
}

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	secret := webhook.GenerateSecret()
	body := []byte("{\"id\":\"1\",\r\n\n\"type\":\"x\"}\n")
	m := webhook.Message{Path: "/mender?x=1", Header: webhook.Header(body, secret), Body: body}
	for name, text := range map[string][]byte{
		"as written":       m.Bytes(),
		"LF in the head":   bytes.ReplaceAll(m.Bytes()[:len(m.Bytes())-len(body)], []byte("\r\n"), []byte("\n")),
		"lower-case names": lowerHead(m.Bytes(), len(body)),
	} {
		if name == "LF in the head" {
			text = append(text, body...)
		}
		got, err := webhook.ParseMessage(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Path != m.Path || !bytes.Equal(got.Body, body) {
			t.Errorf("%s: %+v", name, got)
		}
		if v := webhook.Verify(got.Header, got.Body, secret); v.Verdict != webhook.Valid {
			t.Errorf("%s: %s", name, v)
		}
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(m.Bytes())))
	if err != nil || req.ContentLength != int64(len(body)) {
		t.Errorf("not a request: %v", err)
	}
}

func lowerHead(message []byte, body int) []byte {
	head := string(message[:len(message)-body])
	first, rest, _ := strings.Cut(head, "\r\n")
	rest = strings.ReplaceAll(rest, "X-Men", "x-men")
	return append([]byte(first+"\r\n"+rest), message[len(message)-body:]...)
}

func TestParseMessageRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"id":"1"}`:                     "not an HTTP request: it must begin with a line such as \"POST / HTTP/1.1\"",
		"":                               "not an HTTP request: it must begin with a line such as \"POST / HTTP/1.1\"",
		"GET / HTTP/1.1\n\n":             "invalid method GET: must be POST",
		"POST http://x/ HTTP/1.1\n\n":    "invalid request target \"http://x/\": must begin with /",
		"POST / HTTP/1.1\nHost: x\nbody": "the HTTP request has no empty line after its headers",
	} {
		_, err := webhook.ParseMessage([]byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
