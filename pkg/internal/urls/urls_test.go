package urls

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestURLsThatNoClientCanSendToAreRefused(t *testing.T) {
	for _, text := range []string{
		"http://h", "https://u:p@h:8443/x?a=b#c", "http://127.0.0.1:1", "http://[::1]:65535/", "http://[fe80::1%25eth0]/",
		"http://host.example./", "http://my_host:80", "http://bücher.example", "http://h:/x", "http://xn--bcher-kva.example",
		"http://" + strings.Repeat("a", 63) + ".example",
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"":                       "must begin with",
		"h":                      "must begin with",
		"ftp://h":                "must begin with",
		"http://":                "no host",
		"http://:80/":            "no host",
		"http://h:0":             "invalid port 0",
		"http://h:99999":         "invalid port 99999",
		"https://e..example/":    "between dots is empty",
		"https://.example/":      "between dots is empty",
		"https://e.example/x ":   "white space",
		" https://e.example/x":   "white space",
		"https://e.example/a\t":  "white space",
		"https://e.example/a b":  "white space",
		"https://a,b.example/":   "letters",
		"https://300.1.1.1/":     "not an IPv4 address",
		"https://1.2.3/":         "not an IPv4 address",
		"https://-x.example/":    "hyphen",
		"https://x-.example/":    "hyphen",
		"https://e.example/\xff": "UTF-8",
		"https://[::zz]/":        "invalid URL",
		"http://u:secret@h:x":    "invalid URL",
		"http://u:secret":        "invalid URL",
		"https://" + strings.Repeat("a", 64) + ".example/":     "63",
		"https://" + strings.Repeat("a.", 127) + "example.com": "253",
	} {
		u, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v, want something about %q", text, u, err, want)
		}
	}
}

func TestCauseAndPublicOmitCredentials(t *testing.T) {
	_, err := http.NewRequest(http.MethodPost, "http://u:secret@h:x", nil)
	if got := Cause(fmt.Errorf("send: %w", err)); strings.Contains(got.Error(), "secret") {
		t.Error(got)
	}
	plain := errors.New("plain")
	if !errors.Is(Cause(plain), plain) || Cause(nil) != nil {
		t.Error("an error of another kind was changed")
	}
	u := &url.URL{Scheme: "http", User: url.UserPassword("u", "secret"), Host: "h", Path: "/x", RawQuery: "token=secret", Fragment: "secret"}
	if got := Public(u); got != "http://h/x" {
		t.Error(got)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "a.localhost:80": true, "127.9.9.9": true, "[::1]:80": true, "::1": true,
		"[::1]": true, "::ffff:127.0.0.1": true, "127.0.0.1.example": false, "localhost.example": false, "10.0.0.1": false, "": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestServer(t *testing.T) {
	for text, want := range map[string]string{
		"hosted.mender.io":              "https://hosted.mender.io",
		" https://Hosted.Mender.IO/// ": "https://hosted.mender.io",
		"https://a.example:443/":        "https://a.example",
		"http://a.example:80":           "http://a.example",
		"localhost:8080":                "https://localhost:8080",
		"http://[::1]:8080/mender/":     "http://[::1]:8080/mender",
		"https://a.example/x%2Fy/":      "https://a.example/x%2Fy",
		"ftp://a.example":               "",
		"https://":                      "",
		"":                              "",
		"https://u:geheim@a.example":    "",
		"https://u:gehe%im@a.example":   "",
		"https://a.example?x=1":         "",
		"https://a.example/#x":          "",
		"https://a b.example":           "",
	} {
		got, err := Server(text)
		if got != want || (err == nil) != (want != "") || err != nil && (strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
