// Package cli provides what all commands share: streams, printers, prompts, progress,
// settings and the API client. It does not depend on any command.
package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// Streams are the input and output of the program. Only an *os.File can be a terminal.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// App gives commands access to the streams, the clock, the settings and the API client.
// The settings are resolved on first use.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) (string, bool)
	Now      func() time.Time
	ExitCode func(fault.Kind) int
	Flags    globalFlags
	cached   *config.Settings
	secrets  *secret.Store
	// saidIgnored reports whether a warning about ignored stored secrets was printed.
	saidIgnored bool
	formats     []output.Format // of the current command
	log         *appLog         // nil for commands that write no log
	utc         bool            // the current command has --utc

	allProfiles bool      // --all-profiles
	profile     string    // of one of several profiles, or empty
	only        bool      // see ForProfile
	together    *together // of the apps for several profiles, or nil

	// RequestRate is the largest number of requests per second to Mender; 0 means no
	// limit.
	RequestRate float64

	// Interrupted is closed when a signal asks the command to end. It is nil if
	// signals are not caught.
	Interrupted <-chan struct{}

	// Hangups gets SIGHUP if the command reloads a file then. Otherwise it is nil.
	Hangups <-chan os.Signal

	// SettingFlags are the flags that pkg/config registered on the root command.
	SettingFlags *pflag.FlagSet
}

// globalFlags are the flags that every command has, except for the settings, which
// pkg/config registers and reads.
type globalFlags struct {
	Output    string
	Jq        string
	NoHeaders bool
	Quiet     bool
	NoColor   bool
	Debug     bool
}

// IsTerminal reports whether stream is a terminal.
func IsTerminal(stream any) bool {
	if held, ok := stream.(*output.Held); ok {
		stream = held.Unwrap()
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Getenv returns the value of an environment variable, or "".
func (a *App) Getenv(name string) string {
	value, _ := a.Env(name)
	return value
}

// colored reports whether w is a terminal with colors enabled.
func (a *App) colored(w io.Writer) bool {
	return IsTerminal(w) && !a.Flags.NoColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// ErrStyle returns the style for stderr.
func (a *App) ErrStyle() output.Style { return output.Style{Enabled: a.colored(a.Err)} }

// OutStyle returns the style for stdout.
func (a *App) OutStyle() output.Style { return output.Style{Enabled: a.colored(a.Out)} }

// OutWidth returns the width of the terminal in columns, or 0 if stdout is not one.
func (a *App) OutWidth() int { return widthOf(a.Out) }

func widthOf(stream any) int {
	if held, ok := stream.(*output.Held); ok {
		stream = held.Unwrap()
	}
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// TableWidth returns the width that a table must fit, or 0 if it must show all values in
// full: stdout is no terminal, or the user selected the columns.
func (a *App) TableWidth() int {
	if strings.HasPrefix(a.Flags.Output, "columns=") {
		return 0
	}
	return a.OutWidth()
}

// Stdout returns a writer to stdout for commands that print without a printer.
func (a *App) Stdout() io.Writer {
	return output.Stdout(output.Interruptible(a.Out, a.Interrupted))
}

// Details returns the fields of a single object and leaves out empty ones.
func Details(rows [][2]string) []output.Field {
	fields := make([]output.Field, 0, len(rows))
	for _, r := range rows {
		if r[1] != "" {
			fields = append(fields, output.Field{Name: r[0], Value: r[1]})
		}
	}
	return fields
}

// Say prints a message to stderr, unless -q is set.
func (a *App) Say(format string, args ...any) {
	switch {
	case a.log != nil:
		a.log.message(slog.LevelInfo, format, args...)
	case !a.Flags.Quiet:
		text := output.SafeMultiline(fmt.Sprintf(format, args...))
		fmt.Fprintln(a.Err, output.WrapLines(text, widthOf(a.Err)))
	}
}

// Warn prints a warning to stderr, unless -q is set.
func (a *App) Warn(format string, args ...any) {
	switch {
	case a.log != nil:
		a.log.message(slog.LevelWarn, format, args...)
	case !a.Flags.Quiet:
		a.sayLabeled("warning:", output.Style.Yellow, fmt.Sprintf(format, args...))
	}
}

// Next prints a next step to stderr, only on a terminal.
func (a *App) Next(format string, args ...any) {
	if IsTerminal(a.Err) {
		a.Say("next: "+format, args...)
	}
}

// sayLabeled prints a message to stderr with a colored label.
func (a *App) sayLabeled(label string, paint func(output.Style, string) string, text string) {
	painted := func(label string) string { return paint(a.ErrStyle(), label) }
	fmt.Fprintln(a.Err, output.Labeled(label, painted, output.Safe(text), widthOf(a.Err)))
}

// Time formats a time for messages: in UTC if the command shows times in UTC.
func (a *App) Time(t time.Time) string { return output.Time(t, a.utc) }

// ScreenPatience is how long a terminal may take to be restored after a full screen. One
// that reads nothing would otherwise keep a command from ending.
const ScreenPatience = 2 * time.Second

// FullScreen reports whether stdout is a terminal that can show a full screen. If
// not, it says that the flag has no effect.
func (a *App) FullScreen(flag string) bool {
	if IsTerminal(a.Out) && a.Getenv("TERM") != "dumb" {
		return true
	}
	a.Say("%s: stdout is not a terminal that can show a full screen; showing lines instead", flag)
	return false
}

// HoldStderr returns a writer that can hold messages back while a full screen is
// shown. They are not held back if stderr is not a terminal.
func (a *App) HoldStderr() *output.Held {
	held := output.NewHeld(a.Err)
	if IsTerminal(a.Err) {
		a.Err = held
	}
	return held
}

// DetachStderr makes messages asynchronous, so that the command does not block if stderr
// is not read. Call the returned function at the end: it waits at most 500 ms for the
// remaining messages to be written.
func (a *App) DetachStderr() (attach func()) {
	if IsTerminal(a.Err) {
		return func() {}
	}
	async := output.NewAsync(a.Err)
	a.Err = async
	// Goroutines that outlive the command may still read a.Err: it stays as it is.
	return func() { async.Close(500 * time.Millisecond) }
}

// Settings returns all settings, including a stored token. It resolves them only once, and
// sends nothing. Invalid values are usage errors.
func (a *App) Settings() (*config.Settings, error) {
	if a.cached != nil {
		return a.cached, nil
	}
	local, err := a.Load(config.Input{NoToken: true})
	if err != nil {
		return nil, err
	}
	set, err := a.Load(config.Input{StoredToken: a.storedToken(local)})
	if err != nil {
		return nil, err
	}
	for _, note := range set.Notes {
		a.Warn("%s", note)
	}
	a.findOrganization(set)
	a.cached = set
	return set, nil
}

// Connect returns an API client, and the settings that it uses. It sends nothing. Without
// a token, it returns an error.
func (a *App) Connect() (*mender.Client, *config.Settings, error) {
	set, err := a.Settings()
	if err != nil {
		return nil, nil, err
	}
	client, err := a.client(set)
	return client, set, err
}

// LocalSettings returns the settings for commands that send nothing to Mender and
// therefore need no token.
func (a *App) LocalSettings() (*config.Settings, error) {
	if a.cached != nil {
		return a.cached, nil
	}
	return a.Load(config.Input{NoToken: true})
}

// Load resolves settings without the cache.
func (a *App) Load(in config.Input) (*config.Settings, error) {
	in.Flags, in.LookupEnv, in.Stdin = a.SettingFlags, a.Env, a.In
	if a.only {
		in.OnlyProfile = a.profile
	}
	return whileWanted(a, func() (*config.Settings, error) { return config.Load(in) })
}

// client returns the API client for settings, or an error if there is no token.
func (a *App) client(set *config.Settings) (*mender.Client, error) {
	if set.Token.Value == "" {
		err := Failf(fault.Access, "not logged in to %s: there is no access token", set.Server)
		if a.only {
			return nil, Hinted(err, "log in with `mender-webhooks login --profile %s`", set.Profile)
		}
		return nil, Hinted(err,
			"log in with `mender-webhooks login`; in a pipeline, set %s to a personal access token; to try it without a server, run `mender-webhooks sandbox`", config.EnvToken)
	}
	a.warnExpiry(set.Token)
	return a.NewClient(set)
}

// NewClient returns an API client for the account in the settings, even without a token.
func (a *App) NewClient(set *config.Settings) (*mender.Client, error) {
	if set.SkipVerify {
		a.Warn("the server's certificate is not verified (--skip-verify)")
	}
	client, err := whileWanted(a, func() (*mender.Client, error) { return mender.New(a.ClientOptions(set)) })
	if err != nil {
		return nil, Usagef("%w", err)
	}
	return client, nil
}

// ClientOptions returns the options of an API client for the account in the settings.
func (a *App) ClientOptions(set *config.Settings) mender.Options {
	opts := mender.Options{
		Server:     set.Server,
		Token:      set.Token.Value,
		UserAgent:  UserAgent(),
		Timeout:    set.RequestTimeout,
		CACertFile: set.CACertFile,
		SkipVerify: set.SkipVerify,
		AllowHTTP:  set.AllowHTTP,
		Now:        a.Now,
		Rate:       a.RequestRate,
	}
	if a.Flags.Debug {
		opts.Debug = a.debugOutput()
	}
	opts.Retry.OnRetry = a.sayRetry
	return opts
}

// sayRetry reports a retry if the wait before it is at least a second.
func (a *App) sayRetry(_ int, wait time.Duration, err error) {
	if wait >= time.Second {
		a.Say("%v; trying again in %s", err, output.Duration(wait))
	}
}
