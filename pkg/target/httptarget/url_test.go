package httptarget_test

import (
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"3000":                      "http://localhost:3000",
		"3000/hook":                 "http://localhost:3000/hook",
		":3000/hook?a=b":            "http://localhost:3000/hook?a=b",
		"localhost:3000":            "http://localhost:3000",
		"app:80/x":                  "http://app:80/x",
		"[::1]:3000":                "http://[::1]:3000",
		"http://example.com/hook":   "http://example.com/hook",
		"https://u:p@example.com:8": "https://u:p@example.com:8",
		"3000\n":                    "http://localhost:3000",
	} {
		u, err := httptarget.ParseURL(text)
		if err != nil || u.String() != want {
			t.Errorf("%q: %v, %v, want %s", text, u, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                         "empty address",
		"ftp://example.com":        "https:// or http://",
		"example.com/hook":         "has no port",
		"http://":                  "no host",
		"70000":                    "between 1 and 65535",
		":0":                       "between 1 and 65535",
		"http://u:secret@h:port":   "invalid URL",
		"http://example.com/#here": "fragment",
		"http://e..example:1/x":    "between dots",
		"http://localhost:3000/ ":  "white space",
		"3000 ":                    "white space",
	} {
		u, err := httptarget.ParseURL(text)
		if err == nil || u != nil {
			t.Errorf("%q was taken: %v", text, u)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want something about %q", text, err, want)
		}
	}
}
