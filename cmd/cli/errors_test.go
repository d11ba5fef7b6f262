package cli

import (
	"context"
	"fmt"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// TestKindsOfTheAPI: each cause that the API client names has the
// kind whose exit code `mender-webhooks help exit-codes` promises.
func TestKindsOfTheAPI(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]fault.Kind{
		mender.ErrNotFound: ExitNotFound, mender.ErrUnauthorized: ExitAccess, mender.ErrForbidden: ExitAccess,
		mender.ErrConflict: ExitConflict, mender.ErrRateLimited: ExitServer, mender.ErrUnreachable: ExitServer,
		mender.ErrBadAnswer: ExitServer, mender.ErrCertificate: ExitServer, mender.ErrInsecure: ExitUsage,
		mender.ErrCredentials: ExitFailed, context.Canceled: fault.Interrupted,
	} {
		if got := Classify(fmt.Errorf("list the integrations: %w", cause)).Kind; got != want {
			t.Errorf("%v: kind %d, want %d", cause, got, want)
		}
	}
}
