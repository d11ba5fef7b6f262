package cli

import (
	"fmt"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// Deliveries returns "1 delivery", "2 deliveries" and so on.
func Deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// Target describes for messages where an integration sends its events.
func Target(i mender.Integration) string {
	switch {
	case i.Credentials.HTTP != nil:
		return output.MaskURL(i.Credentials.HTTP.URL)
	case i.Credentials.AWS != nil:
		return "AWS IoT Core in " + i.Credentials.AWS.Region
	case i.Credentials.ConnectionString != "":
		for part := range strings.SplitSeq(i.Credentials.ConnectionString, ";") {
			if host, ok := strings.CutPrefix(part, "HostName="); ok {
				return host
			}
		}
	}
	return "-"
}

// StatusText returns an HTTP status as text, or "none" for 0.
func StatusText(code int) string {
	if code == 0 {
		return "none"
	}
	return fmt.Sprint(code)
}
