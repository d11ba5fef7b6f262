package terminal

import (
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
