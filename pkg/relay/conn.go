package relay

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// Logf takes a formatted message for a person to read. It must be safe for
// concurrent use.
type Logf func(format string, args ...any)

// reconnectPause is how often to check whether a lost connection is back.
const reconnectPause = 20 * time.Millisecond

// drainPause limits how long a closing connection may take to send buffered data.
const drainPause = 2 * time.Second

func closeConn(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), drainPause)
	defer cancel()
	if nc.IsConnected() {
		_ = nc.FlushWithContext(ctx) // unsent events are forwarded again
	}
	nc.Close()
}
