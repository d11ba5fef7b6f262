package filter

import (
	"context"
	"testing"

	"github.com/itchyny/gojq"

	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// nowhere accepts every event.
type nowhere struct{}

func (nowhere) Deliver(context.Context, target.Event) target.Result {
	return target.Result{Status: 200}
}
func (nowhere) String() string { return "nowhere" }
func (nowhere) Close() error   { return nil }

// A built-in function that cannot be interrupted costs its event, but not those that
// follow: they are retried until a run has ended.
func TestAnExpressionThatCannotBeInterrupted(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	block := gojq.WithFunction("block", 0, 0, func(v any, _ []any) any {
		<-release
		return v
	})
	f, err := compile(`if .block then block else true end`, block)
	if err != nil {
		t.Fatal(err)
	}
	app := f.Target(nowhere{}, false)
	results := make(chan target.Result, maxRunning)
	for range maxRunning {
		go func() { results <- app.Deliver(t.Context(), target.Event{Body: []byte(`{"block":true}`)}) }()
	}
	for range maxRunning {
		if r := <-results; !r.Permanent || r.Err == nil || r.Err.Error() != "filter: "+errStuck.Error() {
			t.Errorf("the event that blocks: %+v", r)
		}
	}
	event := target.Event{Body: []byte(`{}`)}
	if r := app.Deliver(t.Context(), event); r.Permanent || r.Skipped || r.Err == nil || r.Err.Error() != "filter: "+errBusy.Error() {
		t.Errorf("an event that follows: %+v", r)
	}
	close(release)
	if r := app.Deliver(t.Context(), event); r.Err != nil || r.Status != 200 {
		t.Errorf("after the runs have ended: %+v", r)
	}
}

// A mistake in gojq fails the event, and does not end the program.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	f, err := compile("crash", gojq.WithFunction("crash", 0, 0, func(any, []any) any { panic("topsecret") }))
	if err != nil {
		t.Fatal(err)
	}
	r := f.Target(nowhere{}, false).Deliver(t.Context(), target.Event{Body: []byte(`{}`)})
	if !r.Permanent || r.Err == nil || r.Err.Error() != "filter: the expression cannot be evaluated" {
		t.Errorf("%+v", r)
	}
}
