package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// MeantCommands returns the command lines that users of other tools mean by commands
// that this program does not have. Only clear cases are in it, because no suggestion is
// better than a wrong one.
func MeantCommands() map[string]string {
	return map[string]string{
		"events": "activity", "event": "activity", "history": "activity", "log": "activity", "logs": "activity",
		"tail": "activity --follow", "logs tail": "activity --follow", "watch": "activity --follow", "follow": "activity --follow",
		"events tail": "activity --follow", "stats": "activity --stats", "statistics": "activity --stats",
		"replay": "redeliver", "resend": "redeliver", "events resend": "redeliver", "events replay": "redeliver",
		"rotate": "update --rotate-secret", "rotate-secret": "update --rotate-secret", "secret rotate": "update --rotate-secret",
		"webhook": "list", "webhooks": "list", "hook": "list", "hooks": "list", "integration": "list", "integrations": "list",
		"add": "create", "new": "create", "get": "list", "show": "inspect", "describe": "inspect", "edit": "update",
		"remove": "delete", "diff": "apply -f FILE --dry-run", "plan": "apply -f FILE --dry-run", "dump": "export",
		"receive": "listen", "serve": "listen", "relay": "listen", "forward": "listen", "tunnel": "listen",
		"send": "trigger", "fire": "trigger", "emit": "trigger", "simulate": "trigger",
		"dlq": "queue list --state dead", "dead-letters": "queue list --state dead",
		"auth": "login", "signin": "login", "signout": "logout", "auth login": "login", "auth logout": "logout", "auth status": "whoami",
		"me": "whoami", "user": "whoami", "profile": "config list --profiles", "profiles": "config list --profiles",
		"diagnose": "doctor", "mock": "sandbox", "emulator": "sandbox",
	}
}

// MeantFlags returns the flags that users of other tools mean by flags that this program
// does not have, the best first. Only flags that the command has are suggested.
func MeantFlags() map[string][]string {
	return map[string][]string{
		"port": {"addr"}, "p": {"addr"}, "listen": {"addr"}, "bind": {"addr"},
		"n": {"limit", "count"}, "lines": {"limit"}, "tail": {"limit"}, "max": {"limit"},
		"v": {"verbose", "debug"}, "verbose": {"debug"}, "trace": {"debug"},
		"watch": {"follow"}, "w": {"follow"},
		"y": {"yes"}, "force": {"yes"}, "assume-yes": {"yes"},
		"insecure": {"skip-verify"}, "no-verify": {"skip-verify"},
		"url": {"to"}, "endpoint": {"url", "to"}, "target": {"to", "forward-to"}, "forward": {"forward-to"},
		"silent": {"quiet"}, "format": {"output"},
	}
}

// groupWords are groups of commands in other tools, as in `webhook create`, which this
// program has without the group.
const groupWords = " webhook webhooks hook hooks integration integrations "

// meantCommand is like MeantCommand, for all words of the command line.
func meantCommand(root *cobra.Command, words []string) string {
	for n := min(len(words), 2); n > 0; n-- {
		if meant, ok := MeantCommands()[strings.Join(words[:n], " ")]; ok && (n == 2 || len(words) == 1 || !isGroup(words[0])) {
			return meant
		}
	}
	if len(words) < 2 || !isGroup(words[0]) {
		return ""
	}
	if c, _, err := root.Find(words[1:2]); err == nil && c != root {
		return c.Name()
	}
	return meantCommand(root, words[1:2])
}

func isGroup(word string) bool { return strings.Contains(groupWords, " "+word+" ") }

// MeantCommand returns the command line that users of other tools mean by unknown words
// after a command, without the program's name, or "".
func MeantCommand(cmd *cobra.Command, words []string) string {
	path := strings.Fields(cmd.CommandPath())[1:]
	return meantCommand(cmd.Root(), append(path, words...))
}

// commandHint returns a hint for unknown words after a command.
func commandHint(cmd *cobra.Command, words []string) string {
	if meant := MeantCommand(cmd, words); meant != "" {
		return "use `" + cmd.Root().Name() + " " + meant + "`"
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if similar := suggest.Name(words[0], names); similar != "" {
		return "did you mean `" + cmd.CommandPath() + " " + similar + "`?"
	}
	return "run `" + cmd.CommandPath() + " --help` for the commands"
}

// meantFlag returns a hint for a flag that the command does not have, or "".
func meantFlag(cmd *cobra.Command, name string) string {
	switch offered := cmd.Annotations[formatsKey]; name {
	case "version":
		return "use `" + cmd.Root().Name() + " version`"
	case "json", "yaml", "jsonl":
		formats := strings.Split(offered, ", ")
		switch {
		case slices.Contains(formats, name):
			return "use -o " + name
		case name == "json" && slices.Contains(formats, string(output.JSONL)):
			return "use -o jsonl"
		}
		return ""
	case "v":
		if cmd == cmd.Root() {
			return "use --version, or --debug for more output"
		}
	}
	for _, meant := range MeantFlags()[name] {
		if f := cmd.Flags().Lookup(meant); f != nil {
			return "use --" + f.Name
		}
	}
	return ""
}
