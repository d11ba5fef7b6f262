package filter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

const (
	// limit is how long an expression may take for an event.
	limit = 100 * time.Millisecond
	// grace is how much longer to wait for a built-in function. gojq checks the limit
	// between the steps of an expression; a single step, such as the difference of two
	// long arrays, cannot be interrupted.
	grace = time.Second
	// maxRunning is how many evaluations may run at once. It bounds the processor
	// time of those that were given up but have not ended.
	maxRunning = 4
)

var (
	errNotJSON = errors.New("the event is not JSON")
	errTooLong = fmt.Errorf("the expression did not end within %s", limit)
	errStuck   = fmt.Errorf("the expression did not end within %s, and cannot be interrupted", limit+grace)
	// errBusy is not permanent: it is not the fault of the event.
	errBusy = errors.New("the expression is still running for earlier events")
)

// outcome is the result of an evaluation.
type outcome struct {
	matched bool
	err     error
}

// evaluate runs the expression once. It returns when the evaluation has ended or is
// given up.
func (f *Filter) evaluate(ctx context.Context, event any) (bool, error) {
	if err := f.acquire(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-f.running }()
		done <- run(ctx, f.code, event)
	}()
	select {
	case o := <-done:
		return o.matched, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.matched, o.err
	case <-time.After(grace):
		return false, errStuck
	}
}

// acquire waits until an evaluation may run.
func (f *Filter) acquire(ctx context.Context) error {
	select {
	case f.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case f.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(grace):
		return errBusy
	}
}

// run evaluates the code up to the first output that matches.
func run(ctx context.Context, code *gojq.Code, event any) (o outcome) {
	defer func() {
		if recover() != nil { // a mistake in gojq must not end the listener
			o = outcome{err: errors.New("the expression cannot be evaluated")}
		}
	}()
	for outputs := code.RunWithContext(ctx, event); ; {
		output, ok := outputs.Next()
		switch v := output.(type) {
		case error:
			return outcome{err: reason(v)}
		case nil:
		case bool:
			if v {
				return outcome{matched: true}
			}
		default:
			return outcome{matched: true}
		}
		if !ok {
			return outcome{}
		}
	}
}

// reason returns the cause of a failure in plain words. gojq's own text quotes
// values, which come from the event: only the words before them are used, and
// the type of the first value.
func reason(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errTooLong
	case errors.Is(err, context.Canceled):
		return err
	}
	text := err.Error()
	words := text[:len(text)-len(strings.TrimLeft(text, wordCharacters))]
	switch words {
	case "error":
		return errors.New("the expression calls error")
	case "halt error":
		return errors.New("the expression calls halt")
	case text:
		return errors.New(text)
	}
	if text[len(words)] == '(' && !strings.HasSuffix(words, " ") {
		return errors.New(words + "(…) cannot be applied")
	}
	for _, typ := range []string{": null", ": boolean", ": number", ": string", ": array", ": object"} {
		if strings.HasPrefix(text[len(words):], typ) {
			words += typ
		}
	}
	return errors.New(strings.TrimRight(words, " ") + " …")
}

// wordCharacters are the characters of words and of jq's names.
const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@ "
