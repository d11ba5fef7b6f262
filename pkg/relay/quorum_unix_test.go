//go:build unix

package relay_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// TestNoQuorum freezes two of three nodes. No event may be acknowledged, not even
// a duplicate of one that the leader has but that the others have not confirmed.
func TestNoQuorum(t *testing.T) {
	t.Run("embedded server", func(t *testing.T) { testNoQuorum(t, os.Args[0]) })
	t.Run("stock server", func(t *testing.T) { testNoQuorum(t, stockServer(t)) })
}

func testNoQuorum(t *testing.T, program string) {
	t.Helper()
	t.Parallel()
	n := startNodes(t, program)
	q := dialNodes(t, relay.DialOptions{URLs: n.urls, Replicas: 3})
	app := newApplication(t, nil)
	if _, err := q.Forward(quick(app.URL)); err != nil {
		t.Fatal(err)
	}
	publishTo(t, q, "before")
	eventually(t, "it is delivered", func() bool { return len(app.took()) == 1 })

	admin := n.admin()
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "MENDER_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	leader := stream.CachedInfo().Cluster.Leader
	// One client is connected to the leader, which has not noticed yet.
	var lone *relay.Cluster
	for i, url := range n.urls {
		if fmt.Sprintf("n%d", i) == leader {
			lone = dialNodes(t, relay.DialOptions{URLs: []string{url}, Replicas: 3})
		}
	}
	for i, cmd := range n.cmds {
		if fmt.Sprintf("n%d", i) != leader {
			freeze(t, cmd)
		}
	}
	for range 3 {
		for _, cluster := range []*relay.Cluster{lone, q} {
			start := time.Now()
			outcome, err := cluster.Publish(t.Context(), event("during"))
			if outcome != relay.Unavailable || !errors.Is(err, relay.ErrUnavailable) {
				t.Errorf("without a quorum: %s, %v", outcome, err)
			}
			if took := time.Since(start); took > 1500*time.Millisecond {
				t.Errorf("the answer took %s: %v", took, err)
			}
		}
	}
	for _, cmd := range n.cmds {
		_ = cmd.Process.Signal(syscall.SIGCONT) // this has no effect on those that run
	}
	eventually(t, "events are taken in again", func() bool {
		outcome, _ := q.Publish(t.Context(), event("during"))
		return outcome == relay.Stored || outcome == relay.Duplicate
	})
	publishTo(t, q, "after")
	eventually(t, "all are delivered", func() bool { return len(app.took()) >= 3 })
	if diff := cmp.Diff([]string{"before", "during", "after"}, app.took()); diff != "" {
		t.Error(diff)
	}
}

// freeze returns once a process has stopped. On a busy machine, the signal may
// take effect so late that the nodes agree on one more event.
func freeze(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("it was not stopped: %v, %v", status, err)
	}
}
