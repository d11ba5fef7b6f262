package httptarget_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
)

// open returns a target at the URL, with the other options as given.
func open(t *testing.T, text string, o httptarget.Options) *httptarget.Target {
	t.Helper()
	var err error
	if o.URL, err = httptarget.ParseURL(text); err != nil {
		t.Fatal(err)
	}
	app, err := httptarget.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	return app
}

func event(header http.Header) target.Event {
	return target.Event{ID: "e-1", Type: "t", Header: header, Body: []byte(`{"id":"e-1","type":"t"}`)}
}

// raw serves each connection with a function, and returns the address.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// An attempt ends whatever the application sends, and however slowly.
func TestAttemptIsBounded(t *testing.T) {
	const limit = 300 * time.Millisecond
	for name, test := range map[string]struct {
		sent   string
		status int
	}{
		"switching protocols": {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 101},
		"nothing":             {"", 0},
		"half a header":       {"HTTP/1.1 200 OK\r\nContent-", 0},
		"only hints":          {"HTTP/1.1 103 Early Hints\r\n\r\n", 0},
		"half a body":         {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", 200},
		"an endless body":     {"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 503},
	} {
		for _, answer := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				url := raw(t, func(c net.Conn) {
					if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
						return
					}
					_, _ = io.WriteString(c, test.sent)
					_, _ = io.Copy(io.Discard, c)
				})
				app := open(t, url, httptarget.Options{Timeout: limit, Connections: 1, Answer: answer})
				done := make(chan target.Result, 1)
				go func() { done <- app.Deliver(context.Background(), event(nil)) }()
				select {
				case r := <-done:
					if r.Status != test.status || (r.Err == nil) != (test.status == 200) {
						t.Errorf("%+v", r)
					}
					if test.status == 0 && !errors.Is(r.Err, context.DeadlineExceeded) {
						t.Errorf("%v", r.Err)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the attempt has not ended")
				}
			})
		}
	}
}

// An application may close a connection at the moment when the next event
// arrives on it.
func TestAnEventIsNotLostToAConnectionThatEnds(t *testing.T) {
	var requests atomic.Int64
	url := raw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for first := true; ; first = false {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			requests.Add(1)
			_, _ = io.Copy(io.Discard, req.Body)
			if !first {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	t.Run("no connection is used twice", func(t *testing.T) {
		app := open(t, url, httptarget.Options{})
		for range 5 {
			if r := app.Deliver(t.Context(), event(nil)); r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
	for _, name := range []string{"X-Other", "Idempotency-Key", "X-Idempotency-Key"} {
		t.Run("nothing that was sent is repeated, "+name, func(t *testing.T) {
			app := open(t, url, httptarget.Options{Connections: 1})
			requests.Store(0)
			header := http.Header{name: {"e-1"}}
			if r := app.Deliver(t.Context(), event(header)); r.Err != nil {
				t.Fatal(r.Err)
			}
			if r := app.Deliver(t.Context(), event(header)); r.Err == nil || r.Status != 0 {
				t.Errorf("%+v", r)
			}
			if n := requests.Load(); n != 2 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func TestTheURLsOwnCredentialsWin(t *testing.T) {
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer server.Close()
	header := http.Header{"Authorization": {"Basic c2VuZGVyOnBhc3M="}, "X-Mender-Webhooks-Rebuilt": {"from-log"}}
	for _, user := range []string{"", "me:mine@"} {
		app := open(t, strings.Replace(server.URL, "http://", "http://"+user, 1), httptarget.Options{})
		if r := app.Deliver(t.Context(), event(header)); r.Err != nil {
			t.Fatal(r.Err)
		}
		req := <-got
		name, password, ok := req.BasicAuth()
		if ok != (user != "") || ok && name+":"+password+"@" != user {
			t.Errorf("with %q: %s:%s", user, name, password)
		}
		if req.Header.Get("X-Mender-Webhooks-Rebuilt") != "from-log" || req.UserAgent() != "" {
			t.Errorf("%v", req.Header)
		}
	}
}

// The pause that an application asks for is measured by its own clock.
func TestTheApplicationsRetryAfterIsHeeded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Wed, 25 Nov 2020 10:00:00 GMT")
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	for after, want := range map[string]time.Duration{"7": 7 * time.Second, "Wed,+25+Nov+2020+10:00:20+GMT": 20 * time.Second, "": 0} {
		r := open(t, server.URL+"/?after="+after, httptarget.Options{}).Deliver(t.Context(), event(nil))
		if r.RetryAfter != want || r.Err == nil || r.Err.Error() != "the application answered 503 Service Unavailable" {
			t.Errorf("%q: %s, %v", after, r.RetryAfter, r.Err)
		}
	}
}

func TestTheApplicationsCertificateIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o  httptarget.Options
		ok bool
	}{
		"unknown authority": {httptarget.Options{}, false},
		"--ca-cert":         {httptarget.Options{CACertFile: ca}, true},
		"skipped":           {httptarget.Options{SkipVerify: true}, true},
	} {
		if r := open(t, server.URL, test.o).Deliver(t.Context(), event(nil)); (r.Err == nil) != test.ok {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	if _, err := httptarget.New(httptarget.Options{CACertFile: ca + ".none"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestNothingShownOfATargetIsSecret(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	app := open(t, strings.Replace(closed.URL, "http://", "http://u:secret@", 1)+"/hook?token=secret", httptarget.Options{})
	r := app.Deliver(t.Context(), event(nil))
	if text := app.String() + r.Err.Error(); strings.Contains(text, "secret") || app.String() != closed.URL+"/hook" {
		t.Error(text)
	}
}

func TestRedirectsAreNotFollowedAndDuplicatesAreSeen(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/known":
			w.Header().Set(target.HeaderDuplicate, "1")
		case "/conflict":
			w.WriteHeader(http.StatusConflict)
		default:
			t.Errorf("%s was asked for", r.URL.Path)
		}
	}))
	defer server.Close()
	for path, want := range map[string]target.Result{
		"/moved": {Status: 307}, "/known": {Status: 200, Duplicate: true}, "/conflict": {Status: 409, Duplicate: true},
	} {
		r := open(t, server.URL+path, httptarget.Options{}).Deliver(t.Context(), event(nil))
		if r.Status != want.Status || r.Duplicate != want.Duplicate || (r.Err == nil) != (want.Status == 200) {
			t.Errorf("%s: %+v", path, r)
		}
	}
}
