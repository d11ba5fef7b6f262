package cmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
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

// app is what the commands are given: streams, clock, settings, and the API
// client, built when first asked for.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	now      func() time.Time
	flags    globalFlags
	cached   *config.Settings
	secrets  *secret.Store

	// settingFlags are those that pkg/config registered on the root command.
	settingFlags *pflag.FlagSet
}

// globalFlags are those that every command takes, but for the settings',
// which pkg/config registers and reads.
type globalFlags struct {
	output  string
	jq      string
	quiet   bool
	noColor bool
	debug   bool
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}

// colored reports whether w is a terminal on which colour is wanted.
func (a *app) colored(w io.Writer) bool {
	return isTerminal(w) && !a.flags.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (a *app) errStyle() output.Style { return output.Style{Enabled: a.colored(a.err)} }
func (a *app) outStyle() output.Style { return output.Style{Enabled: a.colored(a.out)} }

// outWidth is the width of the terminal in columns, or 0 where stdout is none.
func (a *app) outWidth() int {
	f, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// open checks --output and --jq against what the command can print, and
// prints as fallback where no --output is given. Commands ask for it before
// anything is sent, so that a typo there changes nothing. Endless is for
// streams that only the user ends.
func (a *app) open(fallback output.Format, endless bool, accepted ...output.Format) (*output.Printer, error) {
	format := fallback
	if a.flags.output != "" {
		var err error
		if format, err = output.ParseFormat(a.flags.output, accepted...); err != nil {
			return nil, usagef("--output: %w", err)
		}
	}
	p, err := output.New(a.out, output.Options{
		Format: format, JQ: a.flags.jq, Endless: endless,
		Color: a.colored(a.out), Terminal: isTerminal(a.out), Width: a.outWidth(),
	})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return p, nil
}

// printer is for commands with one result.
func (a *app) printer() (*output.Printer, error) {
	return a.open(output.Table, false, output.Table, output.JSON, output.JSONL, output.YAML, output.Name)
}

// idPrinter is for commands whose result is an id, which is what a script
// wants of them.
func (a *app) idPrinter() (*output.Printer, error) {
	if a.flags.jq != "" {
		return a.printer()
	}
	return a.open(output.Name, false, output.JSON, output.JSONL, output.YAML, output.Name)
}

// streamPrinter is for what has no end of its own: where nobody looks at it,
// the default is an object a line.
func (a *app) streamPrinter() (*output.Printer, error) {
	fallback := output.JSONL
	if isTerminal(a.out) {
		fallback = output.Table
	}
	return a.open(fallback, true, output.Table, output.JSONL, output.Name, output.None)
}

// details lays out a single object: the values that are there, in order.
func details(rows [][2]string) []output.Field {
	fields := make([]output.Field, 0, len(rows))
	for _, r := range rows {
		if r[1] != "" {
			fields = append(fields, output.Field{Name: r[0], Value: r[1]})
		}
	}
	return fields
}

// say is for progress, summaries and results that people like to see; it goes
// to stderr, and -q drops it.
func (a *app) say(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintln(a.err, output.SafeMultiline(fmt.Sprintf(format, args...)))
	}
}

// warn is for what a user should look at although the command goes on.
func (a *app) warn(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.err, "%s %s\n", a.errStyle().Yellow("warning:"), output.Safe(fmt.Sprintf(format, args...)))
	}
}

// settings reads flags, environment and files, and the store of secrets for
// the token, once. Wrong values are usage errors, and nothing has been sent
// then.
func (a *app) settings() (*config.Settings, error) {
	if a.cached != nil {
		return a.cached, nil
	}
	local, err := a.load(config.Input{NoToken: true})
	if err != nil {
		return nil, err
	}
	set, err := a.load(config.Input{StoredToken: a.storedToken(local)})
	if err != nil {
		return nil, err
	}
	for _, note := range set.Notes {
		a.warn("%s", note)
	}
	a.cached = set
	return set, nil
}

// connect reads the settings and builds the API client.
func (a *app) connect() (*mender.Client, error) {
	set, err := a.settings()
	if err != nil {
		return nil, err
	}
	return a.client(set)
}

// localSettings is for commands that send nothing to Mender: the token is not
// looked for.
func (a *app) localSettings() (*config.Settings, error) {
	if a.cached != nil {
		return a.cached, nil
	}
	return a.load(config.Input{NoToken: true})
}

func (a *app) load(in config.Input) (*config.Settings, error) {
	in.Flags, in.LookupEnv, in.Stdin = a.settingFlags, a.env, a.in
	return config.Load(in)
}

// client builds the API client from the settings. Without a token the server
// would refuse every call, so nothing is sent.
func (a *app) client(set *config.Settings) (*mender.Client, error) {
	if set.Token.Value == "" {
		return nil, hinted(failf(exitAccess, "not logged in to %s: there is no access token", set.Server),
			"`mender-webhooks login` asks for email and password; a pipeline sets %s to a personal access token; `mender-webhooks sandbox` needs no server at all", config.EnvToken)
	}
	a.warnExpiry(set.Token)
	return a.newClient(set, set.Token.Value)
}

// newClient builds an API client with a token, or with none, for logging in.
func (a *app) newClient(set *config.Settings, token string) (*mender.Client, error) {
	if set.SkipVerify {
		a.warn("the server's certificate is not checked (--skip-verify)")
	}
	client, err := mender.New(a.clientOptions(set, token))
	if err != nil {
		return nil, usagef("%w", err)
	}
	return client, nil
}

func (a *app) clientOptions(set *config.Settings, token string) mender.Options {
	opts := mender.Options{
		Server:     set.Server,
		Token:      token,
		UserAgent:  "mender-webhooks/" + version(),
		Timeout:    set.RequestTimeout,
		CACertFile: set.CACertFile,
		SkipVerify: set.SkipVerify,
		AllowHTTP:  set.AllowHTTP,
		Now:        a.now,
	}
	if a.flags.debug {
		opts.Debug = a.err
	}
	opts.Retry.OnRetry = a.sayRetry
	return opts
}

// sayRetry says why it takes so long; short waits are nobody's concern.
func (a *app) sayRetry(_ int, wait time.Duration, err error) {
	if wait >= time.Second {
		a.say("%v; trying again in %s", err, output.Duration(wait))
	}
}
