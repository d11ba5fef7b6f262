package relay

import (
	"fmt"
	"strings"
	"sync"
)

// Logf takes a line of talk. It may be called from several goroutines.
type Logf func(format string, args ...any)

// serverLog passes the embedded server's warnings and errors on, and drops
// the rest. While the server starts, what it says is also kept: it is what
// was found in the folder.
type serverLog struct {
	logf    Logf
	onError func(text string) // called for each error, from the server's goroutines

	mu       sync.Mutex
	starting bool
	found    []string
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

func (l *serverLog) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.say(text)
	if l.onError != nil {
		l.onError(text)
	}
}

// Fatalf does not end the process, as the server's own logger would: a server
// that could not start is noticed because it does not become ready.
func (l *serverLog) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

func (l *serverLog) say(text string) {
	l.mu.Lock()
	if l.starting {
		l.found = append(l.found, text)
	}
	l.mu.Unlock()
	l.logf("store: %s", text)
}

// started returns what was said since the server was made.
func (l *serverLog) started() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting = false
	return l.found
}

// isWriteError tells what ends all storing until the server starts anew:
// after a failed write a JetStream stream answers nothing any more.
func isWriteError(text string) bool {
	for _, sign := range []string{"critical write error", "will be DISABLED", "disabling JetStream"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
