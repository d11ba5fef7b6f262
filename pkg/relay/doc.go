// Package relay stores events in a durable queue and forwards them until the
// application has accepted each one. The queue is a NATS JetStream stream: on an
// embedded server with its files in a folder (Open), or on a cluster (Dial,
// NewQueue).
//
//	store, err := relay.Open(ctx, relay.StoreOptions{Dir: dir, Logf: log.Printf})
//	…
//	defer store.Close()
//	forwarder, err := store.Forward(relay.ForwardOptions{Target: application})
//	…
//	outcome, err := store.Publish(ctx, relay.Event{ID: id, Type: typ, Header: h, Body: body})
//	// Stored and Duplicate are answered with 204, anything else with 503.
//	…
//	err = forwarder.Stop(graceCtx) // finishes attempts in flight
//
// # Guarantees
//
// An event that Publish reported as Stored is forwarded at least once. It is
// forwarded again only if the process or the machine ended between the
// application's 2xx and the moment the server recorded it, which it does several
// times a second. An event whose id the queue still has is a Duplicate and is not
// forwarded again. With a concurrency of 1, events are forwarded in stored order,
// and a failing one delays all later ones.
//
// # Names on the stream
//
// With the default prefix, events are in the stream MENDER_EVENTS under
// mender.events.<type>: headers and body as received, the id as Nats-Msg-Id. The
// durable consumer "forward" has the position. Dead letters are in MENDER_DEAD
// under mender.dead.<id>.
package relay
