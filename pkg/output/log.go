package output

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// LogOptions are the settings of a logger.
type LogOptions struct {
	// Level is the lowest level that is written.
	Level slog.Level
	// JSON writes one object per line. Otherwise, a line has keys and values, as
	// slog.TextHandler writes them.
	JSON bool
	// Terminal writes sentences for a person instead, without the time, in the Style
	// and wrapped at Width unless that is 0. It has no effect with JSON.
	Terminal bool
	Style    Style
	Width    int
}

// NewLogger returns a logger that writes each record with one call of Write. Text
// from outside stays on its line and has no control characters.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	handler := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: printableAttr}
	switch {
	case o.JSON:
		return slog.New(slog.NewJSONHandler(w, handler))
	case o.Terminal:
		return slog.New(&terminalLog{w: w, level: o.Level, style: o.Style, width: o.Width})
	}
	return slog.New(slog.NewTextHandler(w, handler))
}

// printableAttr escapes what slog's handlers write unchanged, such as bidirectional
// overrides. Durations are text, because JSON has none.
func printableAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Safe(a.Value.String()))
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// terminalLog is a slog.Handler for a terminal. A record looks like this:
//
//	warning: MESSAGE: REASON (key value, key value)
type terminalLog struct {
	w     io.Writer
	level slog.Level
	style Style
	width int
	attrs []slog.Attr
}

// reasonKey is the attribute that follows the message.
const reasonKey = "reason"

// Enabled implements slog.Handler.
func (h *terminalLog) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle implements slog.Handler.
func (h *terminalLog) Handle(_ context.Context, r slog.Record) error {
	line, details := Safe(r.Message), []string(nil)
	add := func(a slog.Attr) bool {
		if a.Key == reasonKey {
			line += ": " + Safe(a.Value.String())
		} else {
			details = append(details, a.Key+" "+Safe(a.Value.String()))
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	switch {
	case r.Level >= slog.LevelError:
		line = Labeled("error:", h.style.Red, line, h.width)
	case r.Level >= slog.LevelWarn:
		line = Labeled("warning:", h.style.Yellow, line, h.width)
	default:
		line = strings.Join(Wrap(line, h.width), "\n")
	}
	_, err := io.WriteString(h.w, line+"\n")
	return err
}

// Labeled returns a text with a painted label, wrapped at the width and indented below
// its first word. With a width of 0, it is one line.
func Labeled(label string, paint func(string) string, text string, width int) string {
	indent := len(label) + 1
	if width > 0 {
		width = max(width-indent, 1)
	}
	return paint(label) + " " + strings.Join(Wrap(text, width), "\n"+strings.Repeat(" ", indent))
}

// WithAttrs implements slog.Handler.
func (h *terminalLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = slices.Concat(h.attrs, attrs)
	return &with
}

// WithGroup implements slog.Handler. It does not show the names of groups.
func (h *terminalLog) WithGroup(string) slog.Handler { return h }
