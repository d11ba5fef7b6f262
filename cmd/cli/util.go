package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// Percent formats a share from 0 to 1 as a percentage. It returns 100.0% only for a share
// of exactly 1.
func Percent(share float64) string {
	text := fmt.Sprintf("%.1f%%", 100*share)
	if text == "100.0%" && share < 1 {
		return "just under 100%"
	}
	return text
}

// ErrTimeIsUp and ErrEnough are the causes that end a stream at a limit that the user set.
var (
	ErrTimeIsUp = errors.New("the time is up")
	ErrEnough   = errors.New("enough events received")
)

// StringsOf returns values as strings.
func StringsOf[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return texts
}

// Joined returns values as a comma-separated list.
func Joined[T ~string](values []T) string { return strings.Join(StringsOf(values), ", ") }

// SortedKeys returns the keys of m in ascending order.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Plural returns a number with a noun, such as "1 event" or "2 events".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// CheckURL returns a usage error if the URL is not valid for a webhook.
func CheckURL(flag, text string) error {
	if err := provision.CheckURL(text); err != nil {
		return Hinted(Usagef("%s: %w", flag, err), "correct the URL: Mender would accept it, but every delivery would fail")
	}
	return nil
}

// ReadText reads a text file, or stdin for "-". It returns UTF-8 without a byte order
// mark, or an error if the input is longer than limit bytes.
func (a *App) ReadText(ctx context.Context, name string, limit int64) ([]byte, error) {
	text, err := textfile.Read(ctx, name, a.In, limit)
	return text, inputError(ctx, name, err)
}

// ReadBytes is like ReadText, but returns the exact bytes.
func (a *App) ReadBytes(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := textfile.ReadBytes(ctx, name, a.In, limit)
	return data, inputError(ctx, name, err)
}

func inputError(ctx context.Context, name string, err error) error {
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &path):
		return Usagef("cannot read %s: %w", name, path.Err)
	}
	return Usagef("%w", err)
}

// PrintError prints an error to stderr, even with -q.
func (a *App) PrintError(text string) { a.sayLabeled("error:", output.Style.Red, text) }

// PrintHint prints a hint to stderr, even with -q.
func (a *App) PrintHint(text string) { a.sayLabeled("hint:", output.Style.Bold, text) }

// SayAlways prints a line to stderr, even with -q.
func (a *App) SayAlways(line string) { fmt.Fprintln(a.Err, output.WrapLines(line, widthOf(a.Err))) }

// UntilInterrupted returns nil if err only reports that a signal ended the stream,
// because a signal is how an endless stream normally ends.
func UntilInterrupted(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	case ctx.Err() != nil:
		return &EndError{err}
	}
	return err
}

// EndError is an error that occurred while a stream ended because of a signal. The
// signal did not cause the error.
type EndError struct{ Err error }

func (e *EndError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *EndError) Unwrap() error { return e.Err }
