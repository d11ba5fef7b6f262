package mender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is a network with one scripted step for each request. The last step
// repeats forever. It runs in synctest's time.
type script struct {
	steps []step
	n     int
	at    []time.Time // when each request arrived
}

type step struct {
	status int
	header string // "Name: value"
	body   string
	// With dial, connecting fails; with breaks, the connection fails later; with
	// hang, no answer comes.
	dial, breaks, hang bool
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	now := s.steps[min(s.n, len(s.steps)-1)]
	s.n++
	s.at = append(s.at, time.Now())
	if now.dial {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace := callOf(req.Context()); trace != nil {
		trace.sent.Store(true) // as the client's own trace does on a real network
	}
	if now.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if now.breaks {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	h := http.Header{"Content-Type": {"application/json"}, "X-Men-Requestid": {"req-1"}}
	if name, value, ok := strings.Cut(now.header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{
		StatusCode: now.status, Header: h, Body: io.NopCloser(strings.NewReader(now.body)), Request: req,
		Proto: "HTTP/1.1", ContentLength: int64(len(now.body)),
	}, nil
}

func scripted(t *testing.T, policy RetryPolicy, steps ...step) (*Client, *script) {
	t.Helper()
	s := &script{steps: steps}
	c, err := New(Options{Server: "https://mender.example", Token: testToken, Retry: policy, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

var newWebhook = NewIntegration{Provider: ProviderWebhook, Credentials: HTTP("https://x.example", "c0ffee00")}

func TestRetriedCalls(t *testing.T) {
	list := func(ctx context.Context, c *Client) error { _, err := c.Integrations(ctx); return err }
	create := func(ctx context.Context, c *Client) error {
		id, err := c.CreateIntegration(ctx, newWebhook)
		if err == nil && id != "new" {
			return fmt.Errorf("id %q", id)
		}
		return err
	}
	remove := func(ctx context.Context, c *Client) error { return c.DeleteIntegration(ctx, "a") }
	ok := step{status: 200, body: "[]"}
	created := step{status: 201, header: "Location: " + iotManager + "/integrations/new"}
	for name, test := range map[string]struct {
		call  func(context.Context, *Client) error
		steps []step
		tries int
		is    []error
		not   []error
		says  string
	}{
		"list, 429":                {list, []step{{status: 429}, ok}, 2, nil, nil, ""},
		"list, 502":                {list, []step{{status: 502}, {status: 503}, {status: 504}, ok}, 4, nil, nil, ""},
		"list, reset":              {list, []step{{breaks: true}, ok}, 2, nil, nil, ""},
		"list, refused":            {list, []step{{dial: true}, ok}, 2, nil, nil, ""},
		"list, time-out":           {list, []step{{hang: true}, ok}, 2, nil, nil, ""},
		"list, for ever 503":       {list, []step{{status: 503}}, 4, []error{ErrUnreachable}, []error{ErrOutcomeUnknown}, "503"},
		"list, for ever 429":       {list, []step{{status: 429}}, 4, []error{ErrRateLimited}, []error{ErrUnreachable}, "429"},
		"list, hangs for ever":     {list, []step{{hang: true}}, 4, []error{ErrUnreachable}, []error{context.DeadlineExceeded}, "within 30s"},
		"list, refused for ever":   {list, []step{{dial: true}}, 4, []error{ErrUnreachable, syscall.ECONNREFUSED}, nil, "https://mender.example cannot be reached"},
		"list, 500":                {list, []step{{status: 500, body: `{"error":"internal error"}`}, ok}, 1, []error{ErrUnreachable}, nil, "internal error"},
		"list, 401":                {list, []step{{status: 401}, ok}, 1, []error{ErrUnauthorized}, nil, ""},
		"create":                   {create, []step{created}, 1, nil, nil, ""},
		"create, 429":              {create, []step{{status: 429}, created}, 2, nil, nil, ""},
		"create, refused":          {create, []step{{dial: true}, created}, 2, nil, nil, ""},
		"create, refused for ever": {create, []step{{dial: true}}, 4, []error{ErrUnreachable}, []error{ErrOutcomeUnknown}, ""},
		"create, reset":            {create, []step{{breaks: true}, created}, 1, []error{ErrOutcomeUnknown, ErrUnreachable}, nil, "may have been created"},
		"create, time-out":         {create, []step{{hang: true}, created}, 1, []error{ErrOutcomeUnknown}, nil, "may have been created"},
		"create, 502":              {create, []step{{status: 502}, created}, 1, []error{ErrOutcomeUnknown}, nil, "may have been created"},
		"create, 503":              {create, []step{{status: 503}, created}, 1, []error{ErrOutcomeUnknown}, nil, ""},
		"create, 409":              {create, []step{{status: 409}, created}, 1, []error{ErrConflict}, []error{ErrOutcomeUnknown}, ""},
		"create, no id":            {create, []step{{status: 201}}, 1, []error{ErrOutcomeUnknown, ErrBadAnswer}, nil, "id"},
		"create, 429 then reset":   {create, []step{{status: 429}, {breaks: true}, created}, 2, []error{ErrOutcomeUnknown}, nil, ""},
		"delete, reset, gone":      {remove, []step{{breaks: true}, {status: 404}}, 2, nil, nil, ""},
		"delete, 429, gone":        {remove, []step{{status: 429}, {status: 404}}, 2, []error{ErrNotFound}, nil, ""},
		"delete, refused, gone":    {remove, []step{{dial: true}, {status: 404}}, 2, []error{ErrNotFound}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, RetryPolicy{}, test.steps...)
				err := test.call(t.Context(), c)
				if s.n != test.tries {
					t.Errorf("%d requests, want %d", s.n, test.tries)
				}
				if len(test.is) == 0 && err != nil || len(test.is) > 0 && err == nil {
					t.Errorf("error: %v", err)
				}
				for _, want := range test.is {
					if !errors.Is(err, want) {
						t.Errorf("%v is not %v", err, want)
					}
				}
				for _, not := range test.not {
					if errors.Is(err, not) {
						t.Errorf("%v is %v", err, not)
					}
				}
				if err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%q does not say %q", err, test.says)
				}
			})
		})
	}
}

func TestWaits(t *testing.T) {
	type told struct {
		Attempt int
		Wait    time.Duration
	}
	for name, test := range map[string]struct {
		answer   step
		min, max []time.Duration
	}{
		"doubling":             {step{status: 503}, seconds(0.25, 0.5, 1), seconds(0.5, 1, 2)},
		"Retry-After":          {step{status: 429, header: "Retry-After: 7"}, seconds(7, 7, 7), seconds(7, 7, 7)},
		"absurd":               {step{status: 429, header: "Retry-After: 18446744073709551615"}, seconds(30, 30, 30), seconds(30, 30, 30)},
		"negative":             {step{status: 429, header: "Retry-After: -5"}, seconds(0.25, 0.5, 1), seconds(0.5, 1, 2)},
		"a date, long past":    {step{status: 429, header: "Retry-After: Mon, 01 Jan 1990 00:00:00 GMT"}, seconds(0.25, 0.5, 1), seconds(0.5, 1, 2)},
		"a date, in a century": {step{status: 503, header: "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT"}, seconds(30, 30, 30), seconds(30, 30, 30)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hook []told
				c, s := scripted(t, RetryPolicy{OnRetry: func(attempt int, wait time.Duration, err error) {
					if !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrRateLimited) {
						t.Errorf("told of %v", err)
					}
					hook = append(hook, told{attempt, wait})
				}}, test.answer)
				if _, err := c.Integrations(t.Context()); err == nil {
					t.Fatal("no error")
				}
				var waited []told
				for i := 1; i < len(s.at); i++ {
					wait := s.at[i].Sub(s.at[i-1])
					waited = append(waited, told{i, wait})
					if wait < test.min[i-1] || wait > test.max[i-1] {
						t.Errorf("wait %d was %v", i, wait)
					}
				}
				if diff := cmp.Diff(waited, hook); diff != "" || len(hook) != 3 {
					t.Errorf("(-waited +told):\n%s", diff)
				}
			})
		})
	}
}

func seconds(s ...float64) []time.Duration {
	out := make([]time.Duration, len(s))
	for i, f := range s {
		out[i] = time.Duration(f * float64(time.Second))
	}
	return out
}

func TestContextEndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(t, RetryPolicy{}, step{status: 503, header: "Retry-After: 20"})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Integrations(ctx)
		if took := time.Since(start); took != 5*time.Second || s.n != 1 {
			t.Errorf("ended after %v and %d requests", took, s.n)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503") {
			t.Errorf("error: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, RetryPolicy{}, step{hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.CreateIntegration(ctx, newWebhook); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("error: %v", err)
		}
	})
}
