package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// Percent never rounds a failure away.
func Percent(share float64) string {
	text := fmt.Sprintf("%.1f%%", 100*share)
	if text == "100.0%" && share < 1 {
		return "just under 100%"
	}
	return text
}

// ErrTimeIsUp and ErrEnough end a stream.
var (
	ErrTimeIsUp = errors.New("the time is up")
	ErrEnough   = errors.New("enough events came")
)

// StringsOf converts values to strings.
func StringsOf[T ~string](values []T) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return texts
}

// Joined lists values, comma-separated.
func Joined[T ~string](values []T) string { return strings.Join(StringsOf(values), ", ") }

// SortedKeys returns the keys of m in order.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Plural is "1 event", "2 events".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// CheckURL checks the URL of a webhook.
func CheckURL(flag, text string) error {
	if err := provision.CheckURL(text); err != nil {
		return Hinted(Usagef("%s: %w", flag, err), "Mender's server accepts any URL, and then every delivery fails")
	}
	return nil
}

// ReadText reads the text of a file the user named, or of stdin for "-": UTF-8,
// without a byte order mark. More than limit bytes are an error.
func (a *App) ReadText(ctx context.Context, name string, limit int64) ([]byte, error) {
	text, err := textfile.Read(ctx, name, a.In, limit)
	return text, inputError(ctx, name, err)
}

// ReadBytes is ReadText for input whose bytes must not change.
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

// ParseAge reads 90s, 2h or 7d: a duration as Go writes it, or a number of
// days.
func ParseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	return time.ParseDuration(text)
}

// ParseMoment reads an age before now, a time in RFC 3339, or a day or time as
// tables show it: local, but with a Z. An empty text is the zero time.
func ParseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := ParseAge(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, Hinted(Usagef("%s: %q is neither an age nor a time", flag, text),
		"write 90s, 2h or 7d for how long ago, or a time such as 2026-11-23, 2026-11-23 10:00 or 2026-11-23T10:00:00Z")
}

// PrintError and sayAlways write lines that -q does not drop.
func (a *App) PrintError(line string) {
	a.SayAlways(a.ErrStyle().Red("error:") + " " + output.Safe(line))
}

// SayAlways prints to stderr, with -q too.
func (a *App) SayAlways(line string) { fmt.Fprintln(a.Err, line) }

// UntilInterrupted returns nil in place of the error that a signal caused: it
// is the regular end of a stream without another.
func UntilInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
