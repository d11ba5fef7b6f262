package output

// Color is a color or weight of text on a terminal.
type Color string

// The colors, as parameters of an ANSI escape sequence. Plain is the terminal's
// default.
const (
	Plain  Color = ""
	Bold   Color = "1"
	Dim    Color = "2"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
	blue   Color = "34"
	cyan   Color = "36"
)

// Style colors text if it is enabled, and otherwise returns it unchanged. The
// caller enables it for a terminal whose user wants color. Text from outside must
// go through Safe first.
type Style struct{ Enabled bool }

// paint returns text in the color.
func (s Style) paint(c Color, text string) string {
	if !s.Enabled || c == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Green returns text in green, for success.
func (s Style) Green(text string) string { return s.paint(Green, text) }

// Red returns text in red, for failures.
func (s Style) Red(text string) string { return s.paint(Red, text) }

// Yellow returns text in yellow, for warnings.
func (s Style) Yellow(text string) string { return s.paint(Yellow, text) }

// Dim returns text dimmed, for details.
func (s Style) Dim(text string) string { return s.paint(Dim, text) }

// Bold returns text in bold, for headings.
func (s Style) Bold(text string) string { return s.paint(Bold, text) }
