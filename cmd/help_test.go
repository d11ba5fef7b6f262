package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/config"
)

// eachCommand calls visit with every command that a user can run.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	if c.Runnable() && !c.Hidden && c.HasParent() {
		visit(c)
	}
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}

// TestEveryCommandExplainsItself holds that each help has a summary, a
// description and examples, and that the examples are command lines which the
// program takes: no flag or command in them is gone or misspelt.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the summary %q is empty or ends with a full stop", c.CommandPath(), c.Short)
		}
		if c.Long == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		mentioned := false
		for _, line := range ownCommands(c.Example) {
			mentioned = mentioned || strings.Contains(line, " "+c.Name()) || c.Name() == line
			checkCommandLine(t, c.CommandPath(), line)
		}
		if !mentioned {
			t.Errorf("%s: no example of it in its help", c.CommandPath())
		}
	})
}

// TestFlagsNameTheirValues holds that help says what a flag's value is in
// capitals, and not what Go calls its type.
func TestFlagsNameTheirValues(t *testing.T) {
	t.Parallel()
	eachCommand(cmd.NewRootCmd(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if name, _ := pflag.UnquoteUsage(f); name != strings.ToUpper(name) {
				t.Errorf("%s: --%s %s: put a name in capitals and backquotes into what help says of it", c.CommandPath(), f.Name, name)
			}
		})
	})
}

var (
	// Where one command of a shell line ends and the next begins.
	separators = regexp.MustCompile(`\||&&|;|&|\$\(|<\(|\)|\n`)
	quoted     = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	redirect   = regexp.MustCompile(`^[0-9]*[<>]`)
	ownCall    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*mender-webhooks(?: |$)`)
)

// ownCommands finds the calls of this program in shell lines, without its
// name, quoted words shortened to a letter.
func ownCommands(shell string) []string {
	shell = strings.ReplaceAll(shell, "\\\n", " ")
	// What is quoted may hold calls itself: eval "$(mender-webhooks …)".
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

// TestDocsNameWhatIsThere holds that the commands of all pages are command
// lines which the program takes, also where no test can run them.
func TestDocsNameWhatIsThere(t *testing.T) {
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
	// The blocks of shell in a page, and the calls in its text.
	shellText = regexp.MustCompile("(?ms)^```(?:sh|yaml)$(.*?)^```$|`(mender-webhooks [^`\\[]+)`")
	comments  = regexp.MustCompile(`(?m)\s# .*$`)
)

// TestEnvironmentPageIsComplete compares the help topic with what the program
// reads.
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
