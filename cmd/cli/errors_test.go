package cli

import (
	"context"
	"fmt"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// TestExitCodesOfTheAPI: each cause that the API client names has the exit
// code that `mender-webhooks help exit-codes` promises.
func TestExitCodesOfTheAPI(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]int{
		mender.ErrNotFound: ExitNotFound, mender.ErrUnauthorized: ExitAccess, mender.ErrForbidden: ExitAccess,
		mender.ErrConflict: ExitConflict, mender.ErrRateLimited: ExitServer, mender.ErrUnreachable: ExitServer,
		mender.ErrBadAnswer: ExitServer, mender.ErrCertificate: ExitServer, mender.ErrInsecure: ExitUsage,
		mender.ErrCredentials: ExitFailed, context.Canceled: exitInterrupted,
	} {
		if got := Classify(fmt.Errorf("list the integrations: %w", cause)).Code; got != want {
			t.Errorf("%v: exit code %d, want %d", cause, got, want)
		}
	}
}
