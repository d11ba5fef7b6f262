package embedded

import (
	"fmt"
	"sync"
)

// serverLog logs the embedded server's warnings and errors, but not during its
// start: the store describes the state of its folder itself.
type serverLog struct {
	logf    func(format string, args ...any)
	onError func() // called for each error, from the server's goroutines

	mu       sync.Mutex
	starting bool
	ended    string // why the starting server cannot continue
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

func (l *serverLog) Errorf(format string, args ...any) {
	l.say(fmt.Sprintf(format, args...))
	if l.onError != nil {
		l.onError()
	}
}

// Fatalf records the error, which Server.Start then returns. The server's own logger
// would end the process.
func (l *serverLog) Fatalf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	l.ended = text
	l.mu.Unlock()
	l.Errorf("%s", text)
}

// starts silences the log while the server starts.
func (l *serverLog) starts() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting, l.ended = true, ""
}

// fatal returns why the server cannot continue, or "".
func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *serverLog) say(text string) {
	l.mu.Lock()
	starting := l.starting
	l.mu.Unlock()
	if starting {
		return
	}
	l.logf("store: %s", text)
}

// started turns the log on again after the start.
func (l *serverLog) started() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting = false
}
