package cli

import (
	"context"
	"fmt"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// TestKindsOfTheAPI checks that each error of the API client has the kind, and so
// the exit code, that `mender-webhooks help exit-codes` documents.
func TestKindsOfTheAPI(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]fault.Kind{
		mender.ErrNotFound: fault.NotFound, mender.ErrUnauthorized: fault.Access, mender.ErrForbidden: fault.Access,
		mender.ErrConflict: fault.Conflict, mender.ErrRateLimited: fault.Unavailable, mender.ErrUnreachable: fault.Unavailable,
		mender.ErrBadAnswer: fault.Unavailable, mender.ErrCertificate: fault.Unavailable, mender.ErrInsecure: fault.Usage,
		mender.ErrCredentials: fault.Failed, context.Canceled: fault.Interrupted,
	} {
		if got := classify(fmt.Errorf("list the integrations: %w", cause)).Kind; got != want {
			t.Errorf("%v: kind %d, want %d", cause, got, want)
		}
	}
}
