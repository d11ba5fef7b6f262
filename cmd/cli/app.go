// Package cli is what all commands share: streams, printer, prompts, progress,
// and the way from settings to a client. It knows no command.
package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/secret"
)

// Streams is what a run of the program reads from and writes to. Only an
// *os.File can be a terminal.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// App is what the commands are given: streams, clock, settings, and the API
// client, built when first asked for.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) (string, bool)
	Now      func() time.Time
	ExitCode func(fault.Kind) int
	Flags    globalFlags
	cached   *config.Settings
	secrets  *secret.Store
	// saidIgnored: the user knows which stored secrets are not used.
	saidIgnored bool
	formats     []output.Format // of the command that runs

	// Interrupted is closed when a signal asks the command to end; nil without
	// signals.
	Interrupted <-chan struct{}

	// settingFlags are those that pkg/config registered on the root command.
	SettingFlags *pflag.FlagSet
}

// globalFlags are those that every command takes, but for the settings',
// which pkg/config registers and reads.
type globalFlags struct {
	Output  string
	Jq      string
	Quiet   bool
	NoColor bool
	Debug   bool
}

// IsTerminal reports whether stream is a file that is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Getenv returns the value of an environment variable, or "".
func (a *App) Getenv(name string) string {
	value, _ := a.Env(name)
	return value
}

// colored reports whether w is a terminal on which colour is wanted.
func (a *App) colored(w io.Writer) bool {
	return IsTerminal(w) && !a.Flags.NoColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// ErrStyle returns the style for stderr.
func (a *App) ErrStyle() output.Style { return output.Style{Enabled: a.colored(a.Err)} }

// OutStyle returns the style for stdout.
func (a *App) OutStyle() output.Style { return output.Style{Enabled: a.colored(a.Out)} }

// OutWidth is the width of the terminal in columns, or 0 where stdout is none.
func (a *App) OutWidth() int {
	f, ok := a.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Stdout returns stdout for what no printer prints.
func (a *App) Stdout() io.Writer {
	return output.Stdout(output.Interruptible(a.Out, a.Interrupted))
}

// Details lays out a single object: the values that are there, in order.
func Details(rows [][2]string) []output.Field {
	fields := make([]output.Field, 0, len(rows))
	for _, r := range rows {
		if r[1] != "" {
			fields = append(fields, output.Field{Name: r[0], Value: r[1]})
		}
	}
	return fields
}

// Say is for progress, summaries and results that people like to see; it goes
// to stderr, and -q drops it.
func (a *App) Say(format string, args ...any) {
	if !a.Flags.Quiet {
		fmt.Fprintln(a.Err, output.SafeMultiline(fmt.Sprintf(format, args...)))
	}
}

// Warn is for what a user should look at although the command goes on.
func (a *App) Warn(format string, args ...any) {
	if !a.Flags.Quiet {
		fmt.Fprintf(a.Err, "%s %s\n", a.ErrStyle().Yellow("warning:"), output.Safe(fmt.Sprintf(format, args...)))
	}
}

// DetachStderr keeps messages from holding up a command that has to go on when
// no one reads stderr. Call the returned function at the end: it waits briefly
// until everything is written.
func (a *App) DetachStderr() (attach func()) {
	if IsTerminal(a.Err) {
		return func() {}
	}
	before, async := a.Err, output.NewAsync(a.Err)
	a.Err = async
	return func() {
		if async.Close(250 * time.Millisecond) {
			a.Err = before
		}
	}
}

// Settings reads flags, environment and files, and the store of secrets for
// the token, once. Wrong values are usage errors, and nothing has been sent
// then.
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

// Connect reads the settings and builds the API client.
func (a *App) Connect() (*mender.Client, error) {
	set, err := a.Settings()
	if err != nil {
		return nil, err
	}
	return a.Client(set)
}

// LocalSettings is for commands that send nothing to Mender: the token is not
// looked for.
func (a *App) LocalSettings() (*config.Settings, error) {
	if a.cached != nil {
		return a.cached, nil
	}
	return a.Load(config.Input{NoToken: true})
}

// Load reads flags, environment and files into settings, without the cache.
func (a *App) Load(in config.Input) (*config.Settings, error) {
	in.Flags, in.LookupEnv, in.Stdin = a.SettingFlags, a.Env, a.In
	return config.Load(in)
}

// Client builds the API client from the settings. Without a token the server
// would refuse every call, so nothing is sent.
func (a *App) Client(set *config.Settings) (*mender.Client, error) {
	if set.Token.Value == "" {
		return nil, Hinted(Failf(ExitAccess, "not logged in to %s: there is no access token", set.Server),
			"`mender-webhooks login` asks for email and password; a pipeline sets %s to a personal access token; `mender-webhooks sandbox` needs no server at all", config.EnvToken)
	}
	a.warnExpiry(set.Token)
	return a.NewClient(set, set.Token.Value)
}

// NewClient builds an API client with a token, or with none, for logging in.
func (a *App) NewClient(set *config.Settings, token string) (*mender.Client, error) {
	if set.SkipVerify {
		a.Warn("the server's certificate is not checked (--skip-verify)")
	}
	client, err := mender.New(a.ClientOptions(set, token))
	if err != nil {
		return nil, Usagef("%w", err)
	}
	return client, nil
}

// ClientOptions returns the options of an API client for a server's settings
// and a token.
func (a *App) ClientOptions(set *config.Settings, token string) mender.Options {
	opts := mender.Options{
		Server:     set.Server,
		Token:      token,
		UserAgent:  "mender-webhooks/" + Version(),
		Timeout:    set.RequestTimeout,
		CACertFile: set.CACertFile,
		SkipVerify: set.SkipVerify,
		AllowHTTP:  set.AllowHTTP,
		Now:        a.Now,
	}
	if a.Flags.Debug {
		opts.Debug = a.Err
	}
	opts.Retry.OnRetry = a.sayRetry
	return opts
}

// sayRetry says why it takes so long; short waits are nobody's concern.
func (a *App) sayRetry(_ int, wait time.Duration, err error) {
	if wait >= time.Second {
		a.Say("%v; trying again in %s", err, output.Duration(wait))
	}
}
