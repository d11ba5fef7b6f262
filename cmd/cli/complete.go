package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/eventlog"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// CompletionLimit is how long a completion may wait for the server.
const CompletionLimit = 2 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// AddCompletions adds completion functions to all commands. Call it only when the shell
// asks for completions: it visits all flags, which would slow down other commands.
func (a *App) AddCompletions(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("output", completeFormats)
	_ = root.RegisterFlagCompletionFunc("profile", a.CompleteProfiles)
	for path, complete := range map[string]completer{
		"activity": a.completeEvents, "redeliver": a.completeEvents, "token revoke": a.completeTokens,
	} {
		if c, _, err := root.Find(strings.Fields(path)); err == nil {
			c.ValidArgsFunction = complete
		}
	}
	if c, _, err := root.Find([]string{"activity"}); err == nil {
		_ = c.RegisterFlagCompletionFunc("wait-for", completeConditions)
	}
	if c, _, err := root.Find([]string{"listen"}); err == nil {
		_ = c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{logText, logJSON}, cobra.ShellCompDirectiveNoFileComp))
	}
	disableFileCompletion(root)
}

// disableFileCompletion disables the completion of file names, except for flags and commands that
// take a file.
func disableFileCompletion(c *cobra.Command) {
	takesFiles := c.Name() == "verify" || c.Annotations[TakesCommand] != ""
	if c.ValidArgsFunction == nil && !c.HasSubCommands() && !takesFiles {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	each := func(f *pflag.Flag) {
		// Registering fails if the flag already has a function, which then stays in use.
		switch what, _ := pflag.UnquoteUsage(f); what {
		case "", "FILE":
		case "DIR":
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
		default:
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	}
	c.LocalNonPersistentFlags().VisitAll(each)
	c.PersistentFlags().VisitAll(each)
	for _, sub := range c.Commands() {
		disableFileCompletion(sub)
	}
}

// askServer calls ask with a client that does not retry. It prints no messages, and gives
// up after CompletionLimit.
func (a *App) askServer(cmd *cobra.Command, ask func(context.Context, *mender.Client) []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), CompletionLimit)
	defer cancel()
	client, _, err := a.Aside().ConnectOnce()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return ask(ctx, client), cobra.ShellCompDirectiveNoFileComp
}

// Aside returns a copy of the App that prints no messages and reads no stdin, to use in
// the background.
func (a *App) Aside() *App {
	aside := *a
	aside.Flags.Quiet, aside.Flags.Debug = true, false
	aside.log, aside.cached, aside.secrets, aside.In = nil, nil, nil, strings.NewReader("")
	return &aside
}

// ConnectOnce is like Connect, but its client does not retry.
func (a *App) ConnectOnce() (*mender.Client, *config.Settings, error) {
	set, err := a.Settings()
	if err != nil {
		return nil, nil, err
	}
	if set.Token.Value == "" {
		return nil, nil, Failf(fault.Access, "not logged in to %s", set.Server)
	}
	opts := a.ClientOptions(set)
	opts.Retry.Retries = -1
	client, err := mender.New(opts)
	return client, set, err
}

// CompleteIntegrations completes the ids of integrations, and describes each by its
// target.
func (a *App) CompleteIntegrations(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.askServer(cmd, func(ctx context.Context, client *mender.Client) (choices []string) {
		all, _ := client.Integrations(ctx) // none on failure
		for _, i := range all {
			choices = append(choices, described(i.ID, Target(i)))
		}
		return choices
	})
}

// completedEvents is how many of the newest events a completion offers.
const completedEvents = 20

func (a *App) completeEvents(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 && cmd.Name() == "activity" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.askServer(cmd, func(ctx context.Context, client *mender.Client) (choices []string) {
		for e, err := range eventlog.New(client).Events(ctx, eventlog.Query{Limit: completedEvents}) {
			if err != nil {
				break
			}
			choices = append(choices, described(e.ID, output.Time(e.Time, false)+" "+string(e.Type)))
		}
		return choices
	})
}

func (a *App) completeTokens(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.askServer(cmd, func(ctx context.Context, client *mender.Client) (choices []string) {
		all, _ := client.Tokens(ctx)
		for _, t := range all {
			choices = append(choices, described(t.Name, t.ID))
		}
		return choices
	})
}

// described returns a choice with its description, made safe for a terminal.
func described(choice, what string) string {
	return cobra.CompletionWithDesc(output.Safe(choice), output.Safe(what))
}

// CompleteProfiles completes the names of profiles.
func (a *App) CompleteProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.ProfileNames() // none if the file cannot be read
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeFormats(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return StringsOf(Formats(cmd)), cobra.ShellCompDirectiveNoFileComp
}

// completeConditions completes the last of the comma-separated conditions in --wait-for.
func completeConditions(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const more = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	before, last := "", typed
	if comma := strings.LastIndex(typed, ","); comma >= 0 {
		before, last = typed[:comma+1], typed[comma+1:]
	}
	name, _, named := strings.Cut(last, "=")
	var values []string
	switch {
	case !named:
		return []string{before + "type=", before + "status=", before + "device="}, more
	case name == "type":
		values = StringsOf(webhook.EventTypes())
	case name == "status":
		values = StringsOf(webhook.DeviceStatuses())
	}
	for i, value := range values {
		values[i] = before + name + "=" + value
	}
	return values, more
}
