package integrations

import (
	"testing"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/provision"
)

func TestFailedRecreationExitsAsItsCause(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]fault.Kind{mender.ErrUnreachable: cli.ExitServer, mender.ErrForbidden: cli.ExitAccess} {
		if got := cli.Classify(applyFailure(&provision.RecreateError{Err: cause})).Kind; got != want {
			t.Errorf("%v: kind %d, want %d", cause, got, want)
		}
	}
}
