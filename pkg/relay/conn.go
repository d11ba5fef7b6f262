package relay

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// Logf takes a formatted message for a person to read. It must be safe for
// concurrent use.
type Logf func(format string, args ...any)

// reconnectPause is the time between two looks at a connection that is down.
const reconnectPause = 20 * time.Millisecond

// drainPause bounds how long a closing connection may take to send what it has.
const drainPause = 2 * time.Second

func closeConn(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), drainPause)
	defer cancel()
	if nc.IsConnected() {
		_ = nc.FlushWithContext(ctx) // unsent events are forwarded again
	}
	nc.Close()
}
