package integrations

import (
	"testing"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

func TestFailedRecreationExitsAsItsCause(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]int{mender.ErrUnreachable: cli.ExitServer, mender.ErrForbidden: cli.ExitAccess} {
		if got := cli.Classify(applyFailure(&provision.RecreateError{Err: cause})).Code; got != want {
			t.Errorf("%v: exit code %d, want %d", cause, got, want)
		}
	}
}
