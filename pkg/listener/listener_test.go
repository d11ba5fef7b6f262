package listener

import (
	"context"
	"errors"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// TestPortOpensWhenAnswersCanBeGiven checks that the port opens only when the
// listener can answer: a delivery that waits on it is lost after 10 s.
func TestPortOpensWhenAnswersCanBeGiven(t *testing.T) {
	t.Parallel()
	recovering := false
	l, err := Open(t.Context(), Options{Endpoints: []Endpoint{{
		Store: &relay.StoreOptions{Dir: t.TempDir()},
		Recover: func(context.Context, *relay.Queue) (<-chan struct{}, error) {
			recovering = true
			return nil, nil
		},
	}}, Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err = l.Serve(t.Context(), func() (Ports, error) {
		if !recovering {
			t.Error("the port opens before the store is ready")
		}
		return Ports{}, stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
