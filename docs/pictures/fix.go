//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// fixer replaces values that differ between runs with fixed ones. An event has the
// same id and time in all pictures.
type fixer struct {
	ids   map[string]string
	times map[string]time.Time
	next  time.Time
}

func newFixer() *fixer {
	return &fixer{ids: map[string]string{}, times: map[string]time.Time{},
		next: time.Date(2026, time.November, 23, 10, 0, 4, 0, time.UTC)}
}

var (
	anyTime  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	eventID  = regexp.MustCompile(`\b[0-9a-f]{8}\b`)
	deviceID = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	port     = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

func (f *fixer) fix(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	for n, line := range lines {
		line = port.ReplaceAllString(line, "127.0.0.1:8090")
		// Skip device ids: they look like event ids, but are the same in all runs.
		if id := eventID.FindString(deviceID.ReplaceAllString(line, "")); id != "" && anyTime.MatchString(line) {
			if _, known := f.ids[id]; !known {
				sum := sha256.Sum256(fmt.Appendf(nil, "event %d", len(f.ids)))
				f.ids[id], f.times[id] = hex.EncodeToString(sum[:4]), f.next
				f.next = f.next.Add(7 * time.Second)
			}
			line = strings.Replace(line, id, f.ids[id], 1)
			line = anyTime.ReplaceAllString(line, f.times[id].Format(time.DateTime))
		}
		lines[n] = line
	}
	return strings.Join(lines, "\n")
}
