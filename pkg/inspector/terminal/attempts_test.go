package terminal

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
)

// A stored event may be forwarded before its request is published.
func TestAnAttemptBeforeItsRequestIsShown(t *testing.T) {
	s := newScreen(t)
	s.Update(tea.WindowSizeMsg{Width: 100, Height: 20})
	r := request(2)
	s.add(history.Item{Number: 1, Kind: history.Forwarded, ID: r.ID, At: r.At.Add(time.Millisecond), Target: "http://app", Code: 200, Attempt: 1})
	s.add(r)
	s.want("application 200")
}

// The same event of two endpoints is shown with the attempts of each.
func TestEndpointsAreShownApart(t *testing.T) {
	s := newScreen(t)
	s.Update(tea.WindowSizeMsg{Width: 100, Height: 20})
	r := request(2)
	r.Endpoint = "acme"
	s.add(r, history.Item{Number: 3, Kind: history.Forwarded, Endpoint: "beta", ID: r.ID, At: r.At, Target: "http://app", Code: 200})
	s.want("at acme")
	if strings.Contains(s.text(), "application 200") {
		t.Errorf("an attempt of another endpoint:\n%s", s.text())
	}
	s.add(history.Item{Number: 4, Kind: history.Forwarded, Endpoint: "acme", Route: "lake", ID: r.ID, At: r.At, Target: "http://app", Code: 201})
	s.want("at acme, application 201")
	s.keys("/", "b", "e", "t", "a", "enter")
	s.want("no request matches")
	s.keys("esc")
	if text := s.attemptLine(&s.items[2]); text != s.clock(r.At, time.TimeOnly)+" application 201, to lake, attempt 0, 0.0 ms" {
		t.Error(text)
	}
}
