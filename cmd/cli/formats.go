package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// formatsKey is the annotation that lists a command's output formats.
const formatsKey = "formats"

// Prints returns the annotations of a command that offers these formats. The
// first is the default.
func Prints(formats ...output.Format) map[string]string {
	return map[string]string{formatsKey: output.Choices(formats...)}
}

// PrintsResult returns the annotations of a command that prints a list, or an object that
// has a name.
func PrintsResult() map[string]string {
	return Prints(output.Table, output.JSON, output.JSONL, output.YAML, output.Name)
}

// PrintsObject returns the annotations of a command that prints an object that has no
// name.
func PrintsObject() map[string]string {
	return Prints(output.Table, output.JSON, output.JSONL, output.YAML)
}

// PrintsID returns the annotations of a command whose result is an id.
func PrintsID() map[string]string {
	return Prints(output.Name, output.JSON, output.JSONL, output.YAML)
}

// Formats returns the output formats that a command offers, with the default
// first. A command that prints no result offers only JSON, for its errors.
func Formats(cmd *cobra.Command) []output.Format {
	declared := cmd.Annotations[formatsKey]
	if declared == "" {
		return []output.Format{output.JSON}
	}
	var formats []output.Format
	for name := range strings.SplitSeq(declared, ", ") {
		formats = append(formats, output.Format(name))
	}
	return formats
}

// checkOutput returns a usage error if the command does not offer the requested format or
// filter.
func (a *App) checkOutput(cmd *cobra.Command) error {
	a.formats = Formats(cmd)
	declared := cmd.Annotations[formatsKey] != ""
	switch _, err := a.layout(a.formats[0], a.formats...); {
	case a.Flags.Output == "" || err == nil:
	case declared:
		return err
	default:
		return Usagef("invalid --output %q: %s prints no result, so only json is accepted (for errors)", a.Flags.Output, shortPath(cmd))
	}
	if a.Flags.Jq != "" && !declared {
		return Usagef("--jq cannot be combined with %s, which prints no result", shortPath(cmd))
	}
	return nil
}

// Printer returns the printer of a command with one result. Call it before sending
// anything, so that a mistake in --output or --jq is reported before the command
// changes anything.
func (a *App) Printer() (*output.Printer, error) {
	return a.PrinterOf(slices.DeleteFunc(slices.Clone(a.formats), func(f output.Format) bool { return f == output.None })...)
}

// PrinterOf is like Printer, but accepts only the given formats. Use it for a mode of a
// command that offers fewer formats than the others.
func (a *App) PrinterOf(formats ...output.Format) (*output.Printer, error) {
	fallback := formats[0]
	if a.Flags.Jq != "" && (fallback == output.Name || fallback == output.YAML) {
		fallback = output.JSON
	}
	return a.open(fallback, false, formats...)
}

// StreamPrinter returns the printer of an endless stream. By default, it prints a table on
// a terminal, and one JSON object per line elsewhere. With --verbose, it prints a table,
// because only tables have lines below their rows.
func (a *App) StreamPrinter(verbose bool) (*output.Printer, error) {
	fallback := output.JSONL
	if IsTerminal(a.Out) || verbose {
		fallback = output.Table
	}
	p, err := a.open(fallback, true, output.Table, output.JSONL, output.Name, output.None)
	if err == nil && verbose && p.Format() != output.Table {
		return nil, Hinted(Usagef("--verbose cannot be combined with the output format %s or --jq: it adds lines to a table", p.Format()), "leave --verbose out, or choose -o table")
	}
	return p, err
}

func (a *App) open(fallback output.Format, endless bool, accepted ...output.Format) (*output.Printer, error) {
	o, err := a.layout(fallback, accepted...)
	if err != nil {
		return nil, err
	}
	o.JQ, o.Endless = a.Flags.Jq, endless
	o.Color, o.Terminal, o.Width = a.colored(a.Out), IsTerminal(a.Out), a.OutWidth()
	p, err := output.New(a.Stdout(), o)
	if err != nil {
		return nil, Usagef("%w", err)
	}
	return p, nil
}

// layout parses --output, which is one of the accepted formats, a list of table columns,
// or a template.
func (a *App) layout(fallback output.Format, accepted ...output.Format) (output.Options, error) {
	o := output.Options{Format: fallback, NoHeaders: a.Flags.NoHeaders}
	name, value, extended := strings.Cut(a.Flags.Output, "=")
	switch {
	case a.Flags.Output == "":
		return o, nil
	case extended && value == "":
		return o, Usagef("invalid --output %q: must have a value after =", a.Flags.Output)
	case extended && name == "columns" && slices.Contains(accepted, output.Table):
		o.Format, o.Columns = output.Table, strings.Split(value, ",")
		return o, nil
	case extended && name == "template" && (slices.Contains(accepted, output.JSON) || slices.Contains(accepted, output.JSONL)):
		o.Template = value
		return o, nil
	}
	var err error
	if o.Format, err = output.ParseFormat(a.Flags.Output, accepted...); err != nil {
		return o, Usagef("invalid --output %q: must be one of %s", a.Flags.Output, choices(accepted))
	}
	return o, nil
}

// choices lists the values that --output accepts.
func choices(accepted []output.Format) string {
	text := output.Choices(accepted...)
	if slices.Contains(accepted, output.Table) {
		text += ", columns=NAMES"
	}
	if slices.Contains(accepted, output.JSON) || slices.Contains(accepted, output.JSONL) {
		text += ", template=TEXT"
	}
	return text
}
