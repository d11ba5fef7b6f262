//go:build unix

package main

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The size of a character and of the margin, in pixels.
const (
	charWidth  = 8.4
	lineHeight = 19
	margin     = 16
)

// style is the CSS of a picture, with colors for light and dark pages.
const style = `
svg{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
rect{fill:#f6f8fa;stroke:#d0d7de}
text{fill:#1f2328}
.bold{font-weight:600}.dim{fill:#59636e}
.red{fill:#c0202c}.green{fill:#116329}.yellow{fill:#7d4e00}.blue,.cyan{fill:#0550ae}
@media(prefers-color-scheme:dark){
rect{fill:#0d1117;stroke:#3d444d}
text{fill:#e6edf3}
.dim{fill:#9198a1}
.red{fill:#ff7b72}.green{fill:#56d364}.yellow{fill:#e3b341}.blue,.cyan{fill:#79c0ff}
}
`

// sgr matches an escape sequence. Only sequences for color and weight are drawn.
var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)([A-Za-z])`)

// words matches text without consecutive spaces, which SVG would collapse.
var words = regexp.MustCompile(`\S+(?: \S+)*`)

// draw returns the output of a command as SVG.
func draw(command, text string) []byte {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var b bytes.Buffer
	width, height := columns*charWidth+2*margin, (len(lines)+1)*lineHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" role="img">`+"\n", width, height, width)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(command), style)
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%.0f" height="%d" rx="8"/>`+"\n", width-1, height-1)
	drawLine(&b, 0, "\x1b[2m$\x1b[0m \x1b[1m"+command+"\x1b[0m")
	for n, line := range lines {
		drawLine(&b, n+1, line)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawLine draws each word at its column, so that columns stay aligned in any font
// that the reader has.
func drawLine(b *bytes.Buffer, n int, line string) {
	column, class := 0, ""
	run := func(text string) {
		for _, m := range words.FindAllStringIndex(text, -1) {
			word := text[m[0]:m[1]]
			fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>`+"\n",
				margin+float64(column+utf8.RuneCountInString(text[:m[0]]))*charWidth, margin+14+n*lineHeight,
				float64(utf8.RuneCountInString(word))*charWidth, class, html.EscapeString(word))
		}
		column += utf8.RuneCountInString(text)
	}
	at := 0
	for _, m := range sgr.FindAllStringSubmatchIndex(line, -1) {
		run(line[at:m[0]])
		at = m[1]
		if line[m[4]:m[5]] == "m" {
			class = classOf(line[m[2]:m[3]])
		}
	}
	run(line[at:])
}

func classOf(codes string) string {
	var names []string
	for _, code := range strings.Split(codes, ";") {
		if name := map[string]string{
			"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "34": "blue", "36": "cyan",
		}[code]; name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ` class="` + strings.Join(names, " ") + `"`
}
