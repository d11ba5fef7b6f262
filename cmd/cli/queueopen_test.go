package cli

import (
	"testing"

	"github.com/spf13/pflag"
)

// TestQueueFlags checks that a command in a message selects the same queue.
func TestQueueFlags(t *testing.T) {
	if got := (&QueueOptions{Store: "/var/lib/queue"}).Flags(); got != "--store /var/lib/queue" {
		t.Error(got)
	}
	const want = "--nats nats://a,nats://b --nats-creds me.creds --subject-prefix lab"
	o := QueueOptions{}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Nats.Register(f, "")
	if err := f.Parse([]string{"--nats=nats://a", "--subject-prefix=lab", "--nats-creds=me.creds", "--nats=nats://b"}); err != nil {
		t.Fatal(err)
	}
	if got := o.Flags(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
