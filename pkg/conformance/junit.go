package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"` // a warning
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the results as a JUnit report, which CI systems show.
// A warning becomes the output of a passed case. name is the receiver's name.
func WriteJUnit(w io.Writer, name string, results []Result) error {
	report := junitSuite{Name: name, Tests: len(results)}
	total := 0.0
	for _, r := range results {
		total += r.DurationMS
		c := junitCase{Name: r.Case, Class: "receiver", Time: seconds(r.DurationMS)}
		text := fmt.Sprintf("sent: %s\nexpected: %s\n%s", r.Sends, r.Expects, r.Fix)
		switch r.Outcome {
		case Failed:
			report.Failures++
			c.Failure = &junitMessage{Message: r.Reason, Text: strings.TrimSpace(text)}
		case Skipped:
			report.Skipped++
			c.Skipped = &junitMessage{Message: r.Reason}
		case Warned:
			c.Output = strings.TrimSpace("warning: " + r.Reason + "\n" + text)
		case Passed:
		}
		report.Cases = append(report.Cases, c)
	}
	report.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
