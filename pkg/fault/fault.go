// Package fault defines the error that packages return when the caller can do
// more with it than print it: it has a kind, which decides the exit code, and a
// hint, which is the user's next step.
//
//	return fault.WithHint(fault.New(fault.Conflict, "webhook %s exists already", id),
//		"change it with `mender-webhooks update %s`", id)
//
// The kind and the hint survive wrapping with %w and errors.Join.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind classifies an error by what the user can do about it.
type Kind int

// The kinds. Unspecified is the kind of errors that have none of their own.
const (
	Unspecified Kind = iota
	Failed           // the operation was attempted and failed
	Usage            // wrong command line, file or value; nothing was sent
	NotFound         // the object does not exist
	Access           // not logged in, or not allowed
	Conflict         // the object exists already, or is in use
	Unavailable      // a server, or a proxy on the way, cannot be reached or fails
	Timeout          // the condition was not met in time
	Differs          // the server differs from the file
	Interrupted      // the user, or a signal, ended the work
)

// Error is an error with a kind, a hint, or both.
type Error struct {
	Kind Kind   // if Unspecified, Err determines the kind
	Err  error  // never nil
	Hint string // an imperative sentence; if empty, Err may have one
}

// Error returns the text of the wrapped error, without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// New formats an error of the given kind. It supports %w.
func New(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Usagef formats an error in the user's input. It supports %w.
func Usagef(format string, args ...any) error { return New(Usage, format, args...) }

// WithHint adds the user's next step to an error and keeps its kind. It
// returns nil if err is nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Hint: fmt.Sprintf(format, args...)}
}

// Ambiguous returns a usage error for a prefix of several ids, which the hint lists.
func Ambiguous(prefix string, ids []string) error {
	return WithHint(Usagef("%q is a prefix of %d ids", prefix, len(ids)), "pass a longer prefix of %s", strings.Join(ids, ", "))
}

// KindOf returns the kind of the outermost error in err's tree that has one.
// A cancelled context is Interrupted; nil and everything else is Unspecified.
func KindOf(err error) Kind {
	kind := Unspecified
	walk(err, func(e *Error) bool {
		kind = e.Kind
		return kind != Unspecified
	})
	if kind == Unspecified && errors.Is(err, context.Canceled) {
		return Interrupted
	}
	return kind
}

// HintOf returns the hint of the outermost error in err's tree that has one.
func HintOf(err error) string {
	hint := ""
	walk(err, func(e *Error) bool {
		hint = e.Hint
		return hint != ""
	})
	return hint
}

// walk calls found for each Error in err's tree, from the outside in, until it
// returns true.
func walk(err error, found func(*Error) bool) bool {
	if e, ok := err.(*Error); ok && found(e) { //nolint:errorlint // the tree is walked here
		return true
	}
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), found)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if walk(inner, found) {
				return true
			}
		}
	}
	return false
}
