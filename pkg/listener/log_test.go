package listener

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// logged is a Log whose lines can be read.
type logged struct {
	t     *testing.T
	hub   Hub
	log   *Log
	mu    sync.Mutex // for text
	text  bytes.Buffer
	stats *relay.Stats // nil without a queue
}

// Write implements io.Writer.
func (x *logged) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

// lines returns the text since the last call.
func (x *logged) lines() string {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.text.Reset()
	return x.text.String()
}

// testLog runs a test with a Log, and closes the hub at its end.
func testLog(t *testing.T, o LogOptions, test func(x *logged)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &logged{t: t, stats: &relay.Stats{Available: true}}
		logger := output.NewLogger(x, output.LogOptions{Terminal: true})
		stats := func() (relay.Stats, bool) {
			if x.stats == nil {
				return relay.Stats{}, false
			}
			return *x.stats, true
		}
		x.log = newLog(&x.hub, logger, o, func(string) (relay.Stats, bool) { return stats() }, stats)
		test(x)
		x.hub.close()
		x.log.Wait()
	})
}

// publish publishes an event, and waits until the log has handled it.
func (x *logged) publish(e Event) {
	x.hub.publish(e)
	synctest.Wait()
}

// want compares the lines since the last call.
func (x *logged) want(lines ...string) {
	x.t.Helper()
	want := strings.Join(lines, "\n")
	if got := strings.TrimSuffix(x.lines(), "\n"); got != want {
		x.t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func attempt(err error) Attempted {
	a := Attempted{At: time.Now(), ID: "id", Type: "type", Target: "http://app/hook", Err: err}
	if err != nil {
		a.Pause = time.Second
	}
	return a
}

var errDown = errors.New("connection refused")

func reply(verdict webhook.Verdict, status int, body string) Received {
	r := Received{Exchange: receiver.Exchange{Request: receiver.Request{ReceivedAt: time.Now(), RemoteAddr: "192.0.2.1:4711", Header: http.Header{}}}}
	r.Verification.Verdict = verdict
	r.Answer = receiver.Answer{Status: status, Body: []byte(body)}
	return r
}

func TestLogTellsWhichOfSeveralTargetsIsAway(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		to := func(target string, err error) Attempted {
			a := attempt(err)
			a.Target = target
			return a
		}
		x.publish(to("http://a", errDown))
		x.want("warning: the application does not accept events: connection refused (target http://a)")
		for range 5 {
			x.publish(to("http://b", nil))
			x.publish(to("http://a", errDown))
		}
		x.want()
		x.publish(to("http://b", errDown))
		x.want("warning: the application does not accept events: connection refused (target http://b)")
		time.Sleep(2 * time.Minute)
		x.publish(to("http://a", nil))
		x.want("the application accepts events again (target http://a, after 2m0s, failed_attempts 6, waiting 0)")
	})
}

func TestLogNamesEndpointsAndRoutes(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		at := func(endpoint, route string, err error) Attempted {
			a := attempt(err)
			a.Endpoint, a.Route = endpoint, route
			return a
		}
		x.publish(at("acme", "lake", errDown))
		x.want("warning: the application does not accept events: connection refused (target http://app/hook, endpoint acme, route lake)")
		x.publish(at("beta", "lake", nil)) // another application, although the names are the same
		x.publish(at("acme", "mail", nil))
		x.want()
		x.publish(at("acme", relay.DefaultRoute, errDown))
		x.want("warning: the application does not accept events: connection refused (target http://app/hook, endpoint acme)")
		time.Sleep(time.Minute)
		x.publish(at("acme", "lake", nil))
		x.want("the application accepts events again (target http://app/hook, after 1m0s, failed_attempts 1, waiting 0, endpoint acme, route lake)")

		x.publish(DeadLettered{ID: "id", Type: "type", Endpoint: "acme", Route: "lake", Reason: errDown})
		x.want("warning: an event became a dead letter: connection refused (id id, type type, endpoint acme, route lake)")

		answer := func(endpoint string, status int, body string) Received {
			r := reply(webhook.Valid, status, body)
			r.Endpoint = endpoint
			return r
		}
		x.publish(answer("acme", 503, "full"))
		x.want("warning: events are refused with 503: full (endpoint acme)")
		x.publish(answer("beta", 204, ""))
		x.want()
		x.publish(answer("beta", 503, "full"))
		x.want("warning: events are refused with 503: full (endpoint beta)")
		time.Sleep(time.Minute)
		x.publish(answer("acme", 204, ""))
		x.want("events are accepted again (after 1m0s, refused 1, endpoint acme)")
		if !x.log.needs(&receiver.Exchange{}) {
			t.Error("the end of the other outage would be missed")
		}
		x.publish(answer("beta", 204, ""))
		x.want("events are accepted again (after 1m0s, refused 1, endpoint beta)")

		unsigned := reply(webhook.Unsigned, 401, "")
		unsigned.Endpoint = "acme"
		x.publish(unsigned)
		x.want("warning: a request has no valid signature: unsigned (from 192.0.2.1, endpoint acme)")
	})
}

func TestLogTellsWhenTheApplicationIsAway(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		x.publish(attempt(nil))
		x.want()
		x.publish(attempt(errDown))
		x.want("warning: the application does not accept events: connection refused (target http://app/hook)")
		time.Sleep(130 * time.Second)
		x.publish(attempt(errDown))
		x.want()
		x.stats.Waiting = 7
		x.publish(attempt(nil))
		x.publish(attempt(nil))
		x.want("the application accepts events again (target http://app/hook, after 2m10s, failed_attempts 2, waiting 7)")
		if totals := x.log.Wait(); totals.Forwarded != 3 || totals.Failed != 2 {
			x.t.Errorf("totals: %+v", totals)
		}
	})
}

func TestLogOfAnApplicationThatFlaps(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		for range 100 {
			x.publish(attempt(errDown))
			x.publish(attempt(nil))
		}
		if text := x.lines(); strings.Count(text, "\n") != 2*maxOutages {
			x.t.Errorf("lines:\n%s", text)
		}
		time.Sleep(logPeriod)
		x.want(fmt.Sprintf("warning: the application failed and recovered (times %d)", 100-maxOutages))
		// An outage that the limit kept out of the log is logged if it lasts.
		x.publish(attempt(errDown))
		x.want()
		time.Sleep(logPeriod)
		x.want("warning: the application does not accept events: connection refused (target http://app/hook)")
		time.Sleep(3 * logPeriod)
		x.publish(attempt(nil))
		x.want("the application accepts events again (target http://app/hook, after 4m0s, failed_attempts 1, waiting 0)")
	})
}

func TestLogOfAnApplicationWithoutAStore(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		x.stats = nil
		forwarded := func(status int, text string) Received {
			r := reply(webhook.Valid, http.StatusBadGateway, "")
			r.Answer.Forward = &receiver.Forward{URL: "http://app", Status: status, Error: text}
			return r
		}
		x.publish(forwarded(0, "cannot reach the application"))
		x.want("warning: the application does not accept events: cannot reach the application (target http://app)")
		x.publish(forwarded(204, ""))
		x.want("the application accepts events again (target http://app, after 0s, failed_attempts 1)")
		x.publish(forwarded(503, ""))
		x.want("warning: the application does not accept events: the application answered 503 Service Unavailable (target http://app)")
	})
}

func TestLogOfDeadLetters(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		refused := attempt(errDown)
		refused.Status, refused.Pause = http.StatusGone, 0
		x.publish(refused) // the application works
		x.publish(DeadLettered{ID: "id", Type: "device-provisioned", Reason: errors.New("the application refused it")})
		x.want("warning: an event became a dead letter: the application refused it (id id, type device-provisioned)")
		for range 1000 {
			x.publish(DeadLettered{Reason: errDown})
		}
		if n := strings.Count(x.lines(), "\n"); n != maxLetters-1 {
			x.t.Errorf("%d lines", n)
		}
		time.Sleep(logPeriod)
		x.want(fmt.Sprintf("warning: more events became dead letters (events %d)", 1001-maxLetters))
		time.Sleep(logPeriod)
		x.publish(DeadLettered{ID: "id", Type: "t", Reason: errDown})
		x.want("warning: an event became a dead letter: connection refused (id id, type t)")
	})
}

func TestLogOfAWaveOfInvalidSignatures(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		for range 500 {
			x.publish(reply(webhook.Invalid, http.StatusUnauthorized, "invalid\n"))
		}
		x.publish(reply(webhook.Unsigned, http.StatusUnauthorized, "unsigned\n"))
		x.want("warning: a request has no valid signature: invalid (from 192.0.2.1)")
		time.Sleep(logPeriod)
		x.want("warning: more requests have no valid signature: unsigned (from 192.0.2.1, requests 500)")
		time.Sleep(logPeriod)
		x.publish(reply(webhook.Invalid, http.StatusUnauthorized, "invalid\n"))
		x.want("warning: a request has no valid signature: invalid (from 192.0.2.1)")
	})
}

func TestLogOfRefusedEvents(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		accepted := reply(webhook.Valid, http.StatusNoContent, "")
		for range 3 {
			x.publish(reply(webhook.Valid, http.StatusServiceUnavailable, "the queue is full\n"))
		}
		x.want("warning: events are refused with 503: the queue is full")
		time.Sleep(time.Minute)
		accepted.ReceivedAt = time.Now()
		x.publish(accepted)
		x.want("events are accepted again (after 1m0s, refused 3)")
		// The queue reports itself that it is not available.
		x.stats.Available = false
		x.publish(reply(webhook.Valid, http.StatusServiceUnavailable, "the disk is full\n"))
		x.publish(accepted)
		x.publish(reply(webhook.Rejected, http.StatusServiceUnavailable, "rejected (too-busy)\n"))
		x.want("warning: events are refused with 503: rejected (too-busy)")
		// --respond 503
		x.publish(reply(webhook.Valid, http.StatusServiceUnavailable, ""))
		x.want()
	})
}

func TestLogBesideATableOfEvents(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{EventsShown: true}, func(x *logged) {
		x.publish(DeadLettered{Reason: errDown})
		x.publish(reply(webhook.Invalid, http.StatusUnauthorized, "invalid\n"))
		x.want()
		x.publish(attempt(errDown))
		x.want("warning: the application does not accept events: connection refused (target http://app/hook)")
	})
}

// TestLogHasNoTextFromOutside logs text as an attacker would send it.
func TestLogHasNoTextFromOutside(t *testing.T) {
	t.Parallel()
	const evil = "a\nlevel=ERROR msg=forged\x1b[2J\u202e\u009b\x7f"
	for name, o := range map[string]output.LogOptions{"text": {}, "json": {JSON: true}, "terminal": {Terminal: true}} {
		t.Run(name, func(t *testing.T) {
			var shown bytes.Buffer
			l := &Log{logger: output.NewLogger(&shown, o)}
			l.handle(DeadLettered{ID: evil, Type: evil, Reason: errors.New(evil + " http://user:hunter2@host/?token=hunter2" + strings.Repeat("x", 1<<20))})
			text := shown.String()
			if strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\u202e\u009b\x7f") {
				t.Errorf("raw: %.300q", text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a password: %.300s", text)
			}
			if len(text) > 4096 {
				t.Errorf("%d bytes", len(text))
			}
		})
	}
}

// TestLogSkipsOrdinaryEvents publishes events that are not logged.
func TestLogSkipsOrdinaryEvents(t *testing.T) {
	t.Parallel()
	testLog(t, LogOptions{}, func(x *logged) {
		for range 2 * maxBuffered {
			x.hub.publish(reply(webhook.Valid, http.StatusNoContent, ""))
		}
		if n := x.hub.totalDropped(); n > 0 {
			x.t.Errorf("%d events dropped", n)
		}
		x.want()
		accepted, refused := reply(webhook.Valid, http.StatusNoContent, ""), reply(webhook.Valid, http.StatusServiceUnavailable, "full")
		if x.hub.isWatched() || x.log.needs(&accepted.Exchange) {
			x.t.Error("an ordinary event is published")
		}
		if !x.log.needs(&refused.Exchange) {
			x.t.Error("a refused event is not published")
		}
		x.publish(refused)
		if !x.log.needs(&accepted.Exchange) {
			x.t.Error("the first accepted event after a refused one is not published")
		}
	})
}
