// Command gen-docs generates a reference page and a man page for each command,
// the completion scripts, and the JSON Schemas of the files for apply and listen. Run it
// in the root of the repository:
//
//	go run ./cmd/gen-docs
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/mender-webhooks/mender-webhooks/cmd"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

func main() {
	if err := generate("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen-docs:", err)
		os.Exit(1)
	}
}

// generate writes all files below root, and replaces old ones.
func generate(root string) error {
	tree := cmd.NewRootCmd()
	// A date would make every run's output differ.
	tree.DisableAutoGenTag = true
	// Cobra adds these commands only when the program runs.
	tree.InitDefaultHelpCmd()
	tree.InitDefaultCompletionCmd()
	for _, step := range []func(*cobra.Command, string) error{reference, manPages, completions, schemas} {
		if err := step(tree, root); err != nil {
			return err
		}
	}
	return nil
}

// fresh empties a folder, so that no pages of removed commands remain, and returns
// its path.
func fresh(parts ...string) (string, error) {
	dir := filepath.Join(parts...)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// schemas writes the JSON Schemas of the files for apply and listen.
func schemas(_ *cobra.Command, root string) error {
	for name, text := range map[string]string{"webhooks": provision.Schema(), "listen": listenfile.Schema()} {
		if err := os.WriteFile(filepath.Join(root, "docs", name+".schema.json"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func reference(tree *cobra.Command, root string) error {
	dir, err := fresh(root, "docs", "reference")
	if err != nil {
		return err
	}
	return doc.GenMarkdownTree(tree, dir)
}

func manPages(tree *cobra.Command, root string) error {
	dir, err := fresh(root, "docs", "man")
	if err != nil {
		return err
	}
	// The date is fixed, so that every run has the same output.
	date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	err = doc.GenManTree(tree, &doc.GenManHeader{
		Section: "1", Source: "mender-webhooks", Manual: "mender-webhooks", Date: &date,
	}, dir)
	if err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, mend(page, date), 0o644); err != nil {
			return err
		}
	}
	return topicPages(tree, dir, date)
}

var (
	titleDate = regexp.MustCompile(`(?m)^(\.TH "[^"]+" "1") "[^"]+"`)
	option    = regexp.MustCompile(`(?m)(?:^\.PP\n)?^(\\fB-.*)\n\t`)
)

// mend changes a page so that mandoc's linter accepts it: it adds the day to the
// date, and makes options tagged paragraphs instead of lines with tabs.
func mend(page []byte, date time.Time) []byte {
	page = titleDate.ReplaceAll(page, []byte(`$1 "`+date.Format(time.DateOnly)+`"`))
	page = option.ReplaceAll(page, []byte(".TP\n$1\n"))
	for bytes.Contains(page, []byte("\n\n")) {
		page = bytes.ReplaceAll(page, []byte("\n\n"), []byte("\n"))
	}
	return page
}

// topicPages writes a page for each help topic, with the text that a terminal shows.
func topicPages(tree *cobra.Command, dir string, date time.Time) error {
	for _, topic := range tree.Commands() {
		if !topic.IsAdditionalHelpTopicCommand() {
			continue
		}
		name := tree.Name() + "-" + topic.Name()
		var help bytes.Buffer
		topic.SetOut(&help)
		if err := topic.Help(); err != nil {
			return err
		}
		title, text, _ := strings.Cut(help.String(), "\n")
		text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(text)
		page := fmt.Sprintf(".TH %q \"7\" %q \"mender-webhooks\" \"mender-webhooks\"\n.SH NAME\n%s \\- %s\n.SH %s\n.EX\n%s\n.EE\n.SH SEE ALSO\n\\fBmender-webhooks(1)\\fP\n",
			strings.ToUpper(name), date.Format(time.DateOnly), name, topic.Short, title, strings.Trim(text, "\n"))
		if err := os.WriteFile(filepath.Join(dir, name+".7"), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func completions(tree *cobra.Command, root string) error {
	dir, err := fresh(root, "completions")
	if err != nil {
		return err
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"mender-webhooks.bash": func(b *bytes.Buffer) error { return tree.GenBashCompletionV2(b, true) },
		"_mender-webhooks":     func(b *bytes.Buffer) error { return tree.GenZshCompletion(b) },
		"mender-webhooks.fish": func(b *bytes.Buffer) error { return tree.GenFishCompletion(b, true) },
		"mender-webhooks.ps1":  func(b *bytes.Buffer) error { return tree.GenPowerShellCompletionWithDesc(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		text := strings.TrimRight(b.String(), "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
