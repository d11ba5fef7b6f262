package cluster

// Route is a way from the queue to a target. Its position belongs to its name.
type Route struct {
	// Name is valid for relay.CheckRoute.
	Name string
	// From is where a new route begins.
	From From
	// WhenFull is what happens to the events that the route has not settled when the
	// queue is full.
	WhenFull WhenFull
}

// From is where a new route begins. A route that has a position continues there.
type From string

// WhenFull is what happens when the queue is full.
type WhenFull string
