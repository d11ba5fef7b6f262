package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

// RecentDeliveries reads the log of the last day, by the server's clock.
func RecentDeliveries(ctx context.Context, client *mender.Client, id string) (*mender.StatsCollector, mender.Stats, error) {
	now, err := client.ServerTime(ctx)
	if err != nil {
		return nil, mender.Stats{}, err
	}
	c := &mender.StatsCollector{IntegrationID: id}
	q := mender.EventQuery{IntegrationID: id, Since: now.Add(-24 * time.Hour), PageSize: mender.MaxPageSize}
	for e, err := range client.Events(ctx, q) {
		if err != nil {
			return nil, mender.Stats{}, err
		}
		c.Add(&e)
	}
	return c, c.Stats(q.Since, now), nil
}

// Deliveries is "1 delivery", "2 deliveries".
func Deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// FailureText is the server's word on a failed delivery, without the tokens
// that may stand in its URL.
func FailureText(d mender.DeliveryStatus) string {
	if d.Error != "" {
		return output.MaskText(d.Error)
	}
	if d.StatusCode != 0 {
		return fmt.Sprintf("status %d", d.StatusCode)
	}
	return "no reason given"
}

// Target is where an integration's events go, for people.
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

// StatusText names an HTTP status, such as "404 Not Found".
func StatusText(code int) string {
	if code == 0 {
		return "none"
	}
	return fmt.Sprint(code)
}
