package cli

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// RebuiltFrom is the value of headerRebuilt.
const RebuiltFrom = "from-log"

// HeaderRebuilt marks an event that was rebuilt from Mender's log: its bytes
// differ from those that were delivered, or would have been.
const HeaderRebuilt = "X-Mender-Webhooks-Rebuilt"

// Rebuild makes a delivery's body of an event in the log, as far as that can
// be done.
func Rebuild(e mender.Event) ([]byte, error) {
	delivery := e.Event
	return delivery.MarshalJSON()
}
