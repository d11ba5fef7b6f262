package receiving

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// The limits of --verbose for headers, because anyone can send a request.
const (
	shownHeaders = 64
	shownValue   = 1024 // bytes
)

// requestLines returns a request and its answer for --verbose. Credentials in the
// headers are masked already.
func requestLines(x listener.Received) []string {
	lines := []string{fmt.Sprintf("request from %s to %s", x.RemoteAddr, clipped(output.MaskText(x.Path)))}
	names := cli.SortedKeys(x.Header)
	for _, name := range names[:min(len(names), shownHeaders)] {
		for _, value := range x.Header[name] {
			lines = append(lines, name+": "+clipped(output.MaskText(value)))
		}
	}
	if rest := len(names) - shownHeaders; rest > 0 {
		lines = append(lines, "… and "+cli.Plural(rest, "more header"))
	}
	lines = append(lines, output.Payload(x.Body)...)
	if x.Body == nil && x.Announced > 0 {
		lines = append(lines, fmt.Sprintf("a body of %s, not read", cli.Plural(int(x.Announced), "byte")))
	}
	answer := fmt.Sprintf("answered %d after %.1f ms", x.Answer.Status, output.Milliseconds(x.Took))
	if body := clipped(strings.TrimSpace(string(x.Answer.Body))); body != "" {
		answer += ": " + strings.Join(strings.Fields(body), " ")
	}
	return append(lines, answer)
}

func clipped(text string) string {
	if len(text) > shownValue {
		return strings.ToValidUTF8(text[:shownValue], "") + "…"
	}
	return text
}
