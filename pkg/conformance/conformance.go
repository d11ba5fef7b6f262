// Package conformance tests a webhook receiver: it sends requests as Mender or an
// attacker might send them, and checks the answers.
//
//	suite := conformance.Suite{Sender: sender, URL: url, Secret: secret}
//	err := suite.Run(ctx, func(r conformance.Result) { … })
//
// Like Mender, the suite judges a delivery only by the status and the time of its
// answer: it does not know what the receiver does with an event.
package conformance

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// SlowAnswer is the time from which an answer causes a warning. It is well below
// Mender's limit, webhook.DeliveryTimeout, since a busy receiver is slower.
const SlowAnswer = 2 * time.Second

// Suite tests one receiver. Sender, URL and Secret are required.
type Suite struct {
	Sender *webhook.Sender
	URL    string
	Secret webhook.Secret
	// Idle is how long the case "idle-connection" leaves its connection idle;
	// 0 skips the case. Mender itself keeps connections for 90 seconds.
	Idle time.Duration
	// Pause is the pause within the body of the case "slow-body"; 0 means one
	// second.
	Pause time.Duration

	device          string
	slowest         time.Duration
	timedOut        bool // an answer exceeded Mender's time limit
	acceptsUnsigned bool
}

// Outcome is the result of a case.
type Outcome string

// The outcomes. If a required case does not pass, it fails; any other case only
// causes a warning.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Warned  Outcome = "warned"
	Skipped Outcome = "skipped"
)

// Result is the result of one case.
type Result struct {
	Case       string  `json:"case"`
	Required   bool    `json:"required"`
	Outcome    Outcome `json:"outcome"`
	Status     int     `json:"status_code,omitempty"` // of the answer that decided the outcome
	DurationMS float64 `json:"duration_ms"`           // of the whole case
	Sends      string  `json:"sends"`                 // what the case sends
	Expects    string  `json:"expects"`               // what it expects
	Reason     string  `json:"reason,omitempty"`      // why it did not pass
	Fix        string  `json:"fix,omitempty"`         // what to do about it
}

// Run runs all cases, one after the other, and calls report with the result of
// each. It skips cases whose failure another one explains, so that each mistake
// of a receiver is reported only once. It returns an error if the URL is invalid
// or ctx is done.
func (s *Suite) Run(ctx context.Context, report func(Result)) error {
	if _, err := webhook.NewRequest(ctx, s.URL, nil, s.Secret); err != nil {
		return err
	}
	s.device, s.slowest, s.timedOut, s.acceptsUnsigned = newID(), 0, false, false
	blocked := ""
	for _, c := range cases() {
		if c.name == "idle-connection" && s.Idle == 0 {
			continue
		}
		r := Result{Case: c.name, Required: c.required, Outcome: Passed, Sends: c.sends, Expects: c.expects}
		if blocked != "" && c.name != "answers-in-time" {
			r.Outcome, r.Reason = Skipped, blocked
			report(r)
			continue
		}
		start := time.Now()
		v := c.run(ctx, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.DurationMS = float64(time.Since(start).Microseconds()) / 1000
		r.Status, r.Reason = v.status, v.reason
		switch {
		case v.reason == "":
		case v.explained:
			r.Outcome = Skipped
		default:
			r.Fix = c.fix
			if r.Outcome = Warned; c.required && !v.warningOnly {
				r.Outcome = Failed
			}
		}
		if v.blocks != "" {
			blocked = v.blocks
		}
		report(r)
	}
	return nil
}

// verdict is the finding of a case. Its reason is empty if the case passed.
type verdict struct {
	status      int
	reason      string
	warningOnly bool   // a warning, although the case is required
	blocks      string // the reason to skip the other cases, or empty
	explained   bool   // another case reports the mistake
}

// send delivers one request and records the longest time.
func (s *Suite) send(req *http.Request) webhook.Delivery {
	d := s.Sender.Do(req)
	s.measure(d)
	return d
}

func (s *Suite) measure(d webhook.Delivery) {
	s.slowest = max(s.slowest, d.Duration)
	s.timedOut = s.timedOut || d.TimedOut()
}

// tooSlow returns the verdict on a case whose answer did not come in time. The
// case "answers-in-time" reports it, and the other cases would fail, too.
func tooSlow() verdict {
	const reason = "the receiver does not answer in time"
	return verdict{reason: reason, blocks: reason, explained: true}
}

// accepted sends the requests in order and expects a status of 2xx for each.
func (s *Suite) accepted(reqs ...*http.Request) verdict {
	for n, req := range reqs {
		d := s.send(req)
		switch {
		case d.Success():
			continue
		case d.TimedOut():
			return tooSlow()
		case d.StatusCode == 0:
			return verdict{reason: fmt.Sprintf("no answer: %v", cause(d.Err))}
		}
		v := verdict{status: d.StatusCode, reason: answered(d.StatusCode)}
		if len(reqs) > 1 {
			v.reason = fmt.Sprintf("%s to request %d of %d", v.reason, n+1, len(reqs))
		}
		return v
	}
	return verdict{status: http.StatusNoContent}
}

// refused sends a request and expects 401 or 403.
func (s *Suite) refused(req *http.Request) verdict {
	d := s.send(req)
	v := verdict{status: d.StatusCode}
	switch {
	case d.StatusCode == http.StatusUnauthorized, d.StatusCode == http.StatusForbidden:
	case d.TimedOut():
		return tooSlow()
	case d.StatusCode == 0:
		v.reason = fmt.Sprintf("no answer: %v", cause(d.Err))
	case d.Success() && s.acceptsUnsigned:
		v.reason, v.explained = "the receiver accepts unsigned events, too", true
	case d.Success():
		v.reason = fmt.Sprintf("accepted it with %d", d.StatusCode)
	default:
		v.reason = answered(d.StatusCode)
	}
	return v
}

func answered(status int) string {
	return fmt.Sprintf("answered %d %s", status, http.StatusText(status))
}
