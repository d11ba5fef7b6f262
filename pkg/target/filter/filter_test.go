package filter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/filter"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// sink is a target that counts events.
type sink struct {
	mu     sync.Mutex
	events []target.Event
	closed bool
}

func (s *sink) Deliver(_ context.Context, e target.Event) target.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	return target.Result{Status: 200}
}

func (s *sink) String() string { return "sink" }
func (s *sink) Close() error   { s.closed = true; return nil }

// deliver sends an event through a filter, and reports whether it arrived.
func deliver(t *testing.T, expr, body string, skipErrors bool) (target.Result, bool) {
	t.Helper()
	f, err := filter.Compile(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var app sink
	r := f.Target(&app, skipErrors).Deliver(t.Context(), target.Event{ID: "e-1", Type: "t", Body: []byte(body)})
	for _, e := range app.events {
		if string(e.Body) != body || e.ID != "e-1" {
			t.Errorf("%s: the target got %+v", expr, e)
		}
	}
	return r, len(app.events) == 1
}

const changed = `{"id":"e-1","type":"device-status-changed","data":{"id":"d-1","status":"rejected","n":9007199254740993},"time":"2026-11-23T09:54:34.6Z"}`

func TestWhatMatches(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		`.type == "device-status-changed"`:                true,
		`.type == "device-provisioned"`:                   false,
		`.data.status | IN("accepted", "rejected")`:       true,
		`.data.status == "accepted" or .data.id == "d-1"`: true,
		`.type | startswith("device-")`:                   true,
		`.data.identity_data.mac | test("^52:54")?`:       false, // no output: ? drops the error
		`.data.status | test("^REJ"; "i")`:                true,
		`.data.none`:                                      false,
		`.data.none.deeper == null`:                       true,
		`select(.type == "device-status-changed")`:        true,
		`select(.type == "device-provisioned")`:           false,
		`empty`:                                           false,
		`null`:                                            false,
		`false`:                                           false,
		`0`:                                               true, // as in jq, only false and null are not true
		`""`:                                              true,
		`[]`:                                              true,
		`.`:                                               true,
		`false, null`:                                     false,
		`false, true`:                                     true,
		`null, 1, error("not reached")`:                   true,
		`true, repeat(.)`:                                 true,
		`.data[] == "rejected"`:                           true,
		`.data.n == 9007199254740993`:                     true,  // exactly
		`.data.n == 9007199254740992`:                     false, // the same number as a float
		`.data.n > 9007199254740992`:                      true,
		"# by type\n.type == \"device-status-changed\"":        true,
		`def is($t): .type == $t; is("device-status-changed")`: true,
		`(.time | sub("\\.[0-9]+"; "") | fromdate) > 0`:        true,
		`now > 0`:                                  true,
		`@sh "\(.id)" == "'e-1'"`:                  true,
		`try error("x") catch . == "x"`:            true,
		`try error(.data.status) catch "accepted"`: true,
	} {
		r, arrived := deliver(t, expr, changed, false)
		if arrived != want || r.Skipped == want || r.Err != nil || r.Permanent || want != (r.Status == 200) {
			t.Errorf("%s: arrived %t, %+v", expr, arrived, r)
		}
	}
}

// An expression that fails makes a permanent error, or skips the event. No error
// has a value of the event.
func TestAnExpressionThatFails(t *testing.T) {
	t.Parallel()
	const body = `{"id":"topsecret","type":"topsecret","data":{"status":"topsecret","list":["topsecret"],"object":{"topsecret":1},"n":424242}}`
	for expr, want := range map[string]string{
		`.type.name`:                              "filter: expected an object but got: string …",
		`.data.list.name`:                         "filter: expected an object but got: array …",
		`.data[0]`:                                "filter: expected an array but got: object …",
		`.type[]`:                                 "filter: cannot iterate over: string …",
		`.data.status + .data.n`:                  "filter: cannot add: string …",
		`.data.n / 0`:                             "filter: cannot divide number …",
		`.data.n | startswith("a")`:               "filter: startswith(…) cannot be applied",
		`.data.n | test("a")`:                     "filter: test(…) cannot be applied",
		`.data.status | test("(")`:                "filter: invalid regular expression …",
		`.data.status | tonumber`:                 "filter: tonumber cannot be applied to …",
		`.data.status | fromjson`:                 "filter: fromjson cannot be applied to …",
		`.data | has(0)`:                          "filter: has(…) cannot be applied",
		`[.data.object] | @csv`:                   "filter: @csv cannot format an array including: object …",
		`.data.object | @sh`:                      "filter: @sh cannot format an array including: object …",
		`{(.data.list): 1}`:                       "filter: expected a string for object key but got: array …",
		`.data.list[-5] = 1`:                      "filter: setpath(…) cannot be applied",
		`.data.status * 1e9`:                      "filter: repeat string result too large …",
		`false, .type[]`:                          "filter: cannot iterate over: string …",
		`error(.data.status)`:                     "filter: the expression calls error",
		`error`:                                   "filter: the expression calls error",
		`error(null)`:                             "filter: the expression calls error",
		`try error("a") catch error(.)`:           "filter: the expression calls error",
		`.id | halt_error`:                        "filter: the expression calls halt",
		`halt`:                                    "filter: the expression calls halt",
		`try halt catch true`:                     "filter: the expression calls halt",
		`.data.status | strptime("%Y")`:           "filter: strptime(…) cannot be applied",
		`.data.status | modulemeta`:               "",
		`"\(.data.status)" | ltrimstr(1) | error`: "filter: ltrimstr(…) cannot be applied",
	} {
		for _, skip := range []bool{false, true} {
			r, arrived := deliver(t, expr, body, skip)
			if arrived || r.Err == nil || r.Permanent == skip || !r.Skipped {
				t.Errorf("%s: arrived %t, %+v", expr, arrived, r)
				continue
			}
			text := r.Err.Error()
			if want != "" && text != want || strings.Contains(text, "topsecret") || strings.Contains(text, "424242") {
				t.Errorf("%s: %s, want %s", expr, text, want)
			}
		}
	}
	for _, body := range []string{"", "x", "{} {}", `{"id":`, "\xff"} {
		if r, arrived := deliver(t, ".", body, false); arrived || !r.Permanent || r.Err == nil || r.Err.Error() != "filter: the event is not JSON" {
			t.Errorf("%q: %+v", body, r)
		}
	}
}

// An expression that never ends is interrupted, whatever it does meanwhile.
func TestAnExpressionThatNeverEnds(t *testing.T) {
	for name, expr := range map[string]string{
		"loop":           `def f: f; f`,
		"generator":      `repeat(false)`,
		"large array":    `[range(1e9)]`,
		"endless array":  `[repeat(.)]`,
		"deep recursion": `def f: 1 + f; f`,
		"deep array":     `last(limit(1e9; recurse([.])))`,
		"growing string": `last("x" | recurse(. + "x"))`,
		"caught":         `try repeat(false) catch true`,
		"until":          `until(false; .)`,
		"reduce":         `reduce range(1e12) as $i (0; . + $i)`,
		"combinations":   `[[range(10)] | combinations(12)]`,
	} {
		t.Run(name, func(t *testing.T) {
			r, arrived := deliver(t, expr, changed, false)
			// On a busy machine, one step may take so long that the run is given up.
			if arrived || !r.Permanent || r.Err == nil || !strings.HasPrefix(r.Err.Error(), "filter: the expression did not end within ") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// An expression that a filter cannot evaluate is refused before any event is.
func TestCompileErrors(t *testing.T) {
	t.Setenv("MENDER_SERVER_ACCESS_TOKEN", "topsecret")
	for expr, want := range map[string]string{
		``:                       "the expression is empty",
		" \n":                    "the expression is empty",
		`.type ==`:               "line 1, column 9: unexpected EOF",
		`.type == )`:             `line 1, column 10: unexpected token ")"`,
		".type ==\n \"ü\" and )": `line 2, column 10: unexpected token ")"`,
		`.type == "a`:            "line 1, column ",
		`unknown(.)`:             "function not defined: unknown/1",
		`$x`:                     "variable not defined: $x",
		`env`:                    "env and $ENV are not available",
		`env.HOME`:               "env and $ENV are not available",
		`$ENV.HOME == "/root"`:   "env and $ENV are not available",
		`def f: $ENV; true`:      "env and $ENV are not available",
		`input`:                  "not allowed",
		`[inputs]`:               "not allowed",
		`debug`:                  "function not defined",
		`debug("x")`:             "function not defined",
		`stderr`:                 "function not defined",
		`input_filename`:         "function not defined",
		`input_line_number`:      "function not defined",
		`get_search_list`:        "function not defined",
		`$__prog_args`:           "variable not defined",
		`import "a" as a; .`:     "cannot load module",
		`include "a"; .`:         "cannot load module",
		`import "a" as $a; $a`:   "cannot load module",
	} {
		f, err := filter.Compile(expr)
		if err == nil || f != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
}

// A forwarder that stops does not make a dead letter.
func TestAStopIsNotTheEventsFault(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	f, err := filter.Compile("repeat(false)")
	if err != nil {
		t.Fatal(err)
	}
	for _, skip := range []bool{false, true} {
		r := f.Target(&sink{}, skip).Deliver(ctx, target.Event{Body: []byte(changed)})
		if !errors.Is(r.Err, context.Canceled) || r.Permanent || r.Skipped {
			t.Errorf("%+v", r)
		}
	}
}

func TestAFilterIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f, err := filter.Compile(`.data.status | test("^(accepted|rejected)$")`)
	if err != nil {
		t.Fatal(err)
	}
	var app sink
	to := f.Target(&app, false)
	var wg sync.WaitGroup
	for i := range 200 {
		status := []string{"accepted", "pending", "rejected", "noauth"}[i%4]
		wg.Go(func() {
			r := to.Deliver(t.Context(), target.Event{ID: status, Body: fmt.Appendf(nil, `{"data":{"status":%q}}`, status)})
			if r.Err != nil || r.Skipped != (i%2 == 1) {
				t.Errorf("%s: %+v", status, r)
			}
		})
	}
	wg.Wait()
	if len(app.events) != 100 {
		t.Errorf("%d events arrived", len(app.events))
	}
	if err := to.Close(); err != nil || !app.closed || to.String() != "sink" {
		t.Errorf("%v, closed %t, %s", err, app.closed, to)
	}
}

func BenchmarkFilter(b *testing.B) {
	provisioned, err := webhook.NewEvent("48919a10-2fbd-4ab4-8420-e2cb959938a4", webhook.DeviceProvisioned, time.Now(), json.RawMessage(
		`{"id":"769e5a83-259c-4506-ab05-9c2564f196fd","status":"accepted","auth_sets":[{"id":"2bd9d1b9-7f60-4f5f-a8f8-1d6f5e9d2a11",`+
			`"device_id":"769e5a83-259c-4506-ab05-9c2564f196fd","identity_data":{"mac":"52:54:00:12:34:56","sku":"A-100"},`+
			`"pubkey":"MCowBQYDK2VwAyEA7p7b","status":"accepted","ts":"2026-11-23T09:00:00Z"}],"created_ts":"2026-11-23T08:59:00Z"}`))
	if err != nil {
		b.Fatal(err)
	}
	body, err := json.Marshal(provisioned)
	if err != nil {
		b.Fatal(err)
	}
	for name, expr := range map[string]string{
		"type":  `.type == "device-status-changed"`,
		"regex": `.data.auth_sets[].identity_data.mac | test("^00:16:3e")`,
	} {
		b.Run(name, func(b *testing.B) {
			f, err := filter.Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			to := f.Target(&sink{}, false)
			b.ReportAllocs()
			for b.Loop() {
				if r := to.Deliver(b.Context(), target.Event{Body: body}); !r.Skipped || r.Err != nil {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}
