package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

// eachCommand calls visit for every command that a user can run.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	if c.Runnable() && !c.Hidden && c.HasParent() {
		visit(c)
	}
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}

// TestEveryCommandExplainsItself checks that each help has a summary, a
// description and examples, and that all commands and flags in the examples exist.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the summary %q is empty or ends with a full stop", c.CommandPath(), c.Short)
		}
		if c.Long == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 && c.Parent().Name() != "completion" && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: a line of the description has %d columns, must have at most 80: %s", c.CommandPath(), n, line)
			}
		}
		mentioned := false
		for _, line := range ownCommands(c.Example) {
			mentioned = mentioned || strings.Contains(line, " "+c.Name()) || c.Name() == line
			checkCommandLine(t, c.CommandPath(), line)
		}
		if !mentioned {
			t.Errorf("%s: no example in its help", c.CommandPath())
		}
	})
}

// TestFlagsNameTheirValues checks that help names each flag's value in capitals,
// instead of showing its Go type.
func TestFlagsNameTheirValues(t *testing.T) {
	t.Parallel()
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if name, _ := pflag.UnquoteUsage(f); name != strings.ToUpper(name) {
				t.Errorf("%s: --%s %s: put a name for the value into the description, in capitals and backquotes", c.CommandPath(), f.Name, name)
			}
		})
	})
}

var (
	// Separators of the commands in a shell line.
	separators = regexp.MustCompile(`\||&&|;|&|\$\(|<\(|\)|\n`)
	quoted     = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	redirect   = regexp.MustCompile(`^[0-9]*[<>]`)
	ownCall    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*mender-webhooks(?: |$)`)
)

// ownCommands returns the calls of this program in shell lines, without its name
// and with each quoted word replaced by a letter.
func ownCommands(shell string) []string {
	shell = strings.ReplaceAll(shell, "\\\n", " ")
	// Quotes may contain calls: eval "$(mender-webhooks …)".
	inside := quoted.ReplaceAllStringFunc(shell, func(q string) string {
		if strings.Contains(q, "$(mender-webhooks") {
			return strings.Trim(q, `"`)
		}
		return "q"
	})
	var found []string
	for _, part := range separators.Split(inside, -1) {
		part = strings.TrimSpace(part)
		if name := ownCall.FindString(part); name != "" {
			found = append(found, " "+strings.TrimSpace(part[len(name):]))
		}
	}
	return found
}

func checkCommandLine(t *testing.T, where, line string) {
	t.Helper()
	var words []string
	skip := false
	for _, word := range strings.Fields(line) {
		switch {
		case skip:
			skip = false
		case redirect.MatchString(word):
			skip = strings.TrimLeft(word, "0123456789<>") == "" // the file comes next
		default:
			words = append(words, word)
		}
	}
	root := cmd.NewRootCmd()
	root.InitDefaultHelpCmd()
	found, rest, err := root.Find(words)
	if err != nil {
		t.Errorf("%s: mender-webhooks%s: %v", where, line, err)
		return
	}
	found.InitDefaultHelpFlag()
	if err := found.ParseFlags(rest); err != nil {
		t.Errorf("%s: mender-webhooks%s: %v", where, line, err)
	} else if args := found.Flags().Args(); len(args) > 0 && found.HasSubCommands() {
		t.Errorf("%s: mender-webhooks%s: no command %q", where, line, args[0])
	}
}

// TestDocsUseExistingFlags checks that all commands and flags in the docs exist,
// including those in blocks that no test runs.
func TestDocsUseExistingFlags(t *testing.T) {
	t.Parallel()
	pages := []string{"../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/guides/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	commands := 0
	for _, page := range pages {
		text := comments.ReplaceAllString(read(t, page), "")
		for _, m := range shellText.FindAllStringSubmatch(text, -1) {
			for _, line := range ownCommands(strings.ReplaceAll(m[1]+m[2], "…", "x")) {
				commands++
				checkCommandLine(t, page, line)
			}
		}
	}
	if commands < 80 {
		t.Errorf("only %d commands were found", commands)
	}
}

var (
	// The shell blocks of a page, and the calls in its text.
	shellText = regexp.MustCompile("(?ms)^```(?:sh|yaml)$(.*?)^```$|`(mender-webhooks [^`\\[]+)`")
	comments  = regexp.MustCompile(`(?m)\s# .*$`)
)

// TestEnvironmentPageIsComplete checks that the help topic has all variables that
// the program reads.
func TestEnvironmentPageIsComplete(t *testing.T) {
	t.Parallel()
	page := read(t, "../docs/environment.md")
	for _, name := range []string{
		config.EnvServer, config.EnvToken, config.EnvProfile, config.EnvConfig, config.EnvCACert, config.EnvWebhookSecret,
	} {
		if !strings.Contains(page, "| `"+name+"`") {
			t.Errorf("docs/environment.md does not name %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`MENDER_[A-Z_]+`).FindAllString(read(t, "../docs/settings.md"), -1) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/settings.md names %s, and docs/environment.md does not", name)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
