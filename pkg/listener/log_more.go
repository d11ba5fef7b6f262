package listener

import (
	"cmp"
	"log/slog"
	"net"
)

// The following report what a limit kept out of the log.

func (l *Log) moreLetters() {
	if n := l.letters.more(); n > 0 {
		l.log(slog.LevelWarn, "more events became dead letters", slog.Int("events", n))
	}
}

func (l *Log) moreSignatures() {
	if n := l.signature.more(); n > 0 {
		l.log(slog.LevelWarn, "more requests have no valid signature", append(l.sender(), slog.Int("requests", n))...)
	}
}

func (l *Log) moreFailures() {
	n := l.apps.more()
	for to, o := range sorted(l.applications) {
		if n > 0 && o.isUnreported() {
			l.applicationFails(to, o)
			n--
		}
	}
	if n > 0 {
		l.log(slog.LevelWarn, "the application failed and recovered", slog.Int("times", n))
	}
}

func (l *Log) moreRefusals() {
	n := l.refusals.more()
	for endpoint, o := range sorted(l.stores) {
		if n > 0 && o.isUnreported() {
			l.storeRefuses(endpoint, o)
			n--
		}
	}
	if n > 0 {
		l.log(slog.LevelWarn, "events were refused with 503 for a short time", slog.Int("times", n))
	}
}

// sender describes the most recent request with an invalid signature.
func (l *Log) sender() []slog.Attr {
	from, _, err := net.SplitHostPort(l.refused.RemoteAddr)
	if err != nil {
		from = l.refused.RemoteAddr
	}
	v := l.refused.Verification
	return where(l.refused.Endpoint, "", text("reason", cmp.Or(string(v.Reason), string(v.Verdict))), text("from", from))
}
