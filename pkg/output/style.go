package output

// Color is a way to show text on a terminal.
type Color string

// The colours, as the parameters of an ANSI sequence. Plain is the
// terminal's own.
const (
	Plain  Color = ""
	Bold   Color = "1"
	Dim    Color = "2"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
	Blue   Color = "34"
	Cyan   Color = "36"
)

// Style colours text where it is enabled, and returns it as it is otherwise.
// Whether there is a terminal, and whether its user wants colour, is the
// caller's to find out. Text from outside has to go through Safe before.
type Style struct{ Enabled bool }

// Paint shows text in the colour.
func (s Style) Paint(c Color, text string) string {
	if !s.Enabled || c == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Green is for what went well.
func (s Style) Green(text string) string { return s.Paint(Green, text) }

// Red is for what failed.
func (s Style) Red(text string) string { return s.Paint(Red, text) }

// Yellow is for warnings.
func (s Style) Yellow(text string) string { return s.Paint(Yellow, text) }

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.Paint(Dim, text) }

// Bold is for what matters more.
func (s Style) Bold(text string) string { return s.Paint(Bold, text) }
