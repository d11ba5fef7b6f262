package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The formats of --log-format.
const (
	logText = "text"
	logJSON = "json"
)

// LogFlag is the flag of commands that write a log to stderr.
type LogFlag struct{ format string }

// Register adds the flag to f.
func (o *LogFlag) Register(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", logText, "`FORMAT` of the log on stderr: text or json")
}

// Begin makes the App write all messages to a log from now on, except for an error that
// ends the command and, without JSON, is printed as usual.
func (o *LogFlag) Begin(a *App) error {
	if o.format != logText && o.format != logJSON {
		return Usagef("invalid --log-format %q: must be text or json", o.format)
	}
	level := slog.LevelInfo
	switch {
	case a.Flags.Quiet:
		level = slog.LevelError
	case a.Flags.Debug:
		level = slog.LevelDebug
	}
	a.log = &appLog{json: o.format == logJSON}
	if !a.Flags.Debug {
		a.log.limit = &output.Limiter{Now: a.Now}
	}
	a.log.Logger = output.NewLogger(currentStderr{a}, output.LogOptions{
		Level: level, JSON: a.log.json, Terminal: IsTerminal(a.Err), Style: a.ErrStyle(), Width: widthOf(a.Err),
	})
	return nil
}

// Log returns the logger. Call it after LogFlag.Begin.
func (a *App) Log() *slog.Logger { return a.log.Logger }

// LogsJSON returns the logger, if errors are written to a log as JSON, else nil.
func (a *App) LogsJSON() *slog.Logger {
	if a.log == nil || !a.log.json {
		return nil
	}
	return a.log.Logger
}

// currentStderr writes to a.Err, which DetachStderr replaces.
type currentStderr struct{ a *App }

func (w currentStderr) Write(p []byte) (int, error) { return w.a.Err.Write(p) }

// appLog is the log of a command. Messages with the same format are limited, because
// anyone can send requests, and so cause messages.
type appLog struct {
	*slog.Logger
	json  bool
	limit *output.Limiter // by format; nil for no limit
}

func (l *appLog) message(level slog.Level, format string, args ...any) {
	var attrs []any
	if l.limit != nil {
		unlogged, ok := l.limit.Admit(format)
		if !ok {
			return
		}
		if unlogged > 0 {
			attrs = append(attrs, slog.Int("not_logged", unlogged))
		}
	}
	l.Log(context.Background(), level, fmt.Sprintf(format, args...), attrs...)
}

// debugLog is a writer for debug output, which it logs.
type debugLog struct{ log *slog.Logger }

func (w debugLog) Write(p []byte) (int, error) {
	w.log.Debug(string(p))
	return len(p), nil
}

// debugOutput returns where to print requests and responses.
func (a *App) debugOutput() io.Writer {
	if log := a.LogsJSON(); log != nil {
		return debugLog{log}
	}
	return a.Err
}
