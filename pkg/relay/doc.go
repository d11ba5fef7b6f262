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
// An event that Publish reported as Stored is forwarded at least once. After the
// application's 2xx, it is forwarded again only if the process or the machine stops
// before the server has recorded the acknowledgement, which it does several times a
// second. An event whose id is still in the queue is a Duplicate and is not
// forwarded again. With a concurrency of 1, events are forwarded in the order in
// which they were stored, and a failing event delays all later ones.
//
// An event is settled once it needs no further attempt: it was delivered, became a
// dead letter, was dropped, or the target does not want it. When the queue is full, a
// route with Skip gives up its oldest events without any attempt.
//
// # Names on the stream
//
// With the default prefix, events are in the stream MENDER_EVENTS, under the subject
// mender.events.<type>, with their headers and body as received and their id as
// Nats-Msg-Id. Dead letters are in the stream MENDER_DEAD, under mender.dead.<id>.
//
// # Routes
//
// A queue can have several routes, each with a target of its own. A route is a durable
// consumer, "forward" for a target without a name and "route-<name>" for the others,
// which records how far forwarding has come. Routes do not wait for each other, and an
// event is retained until all of them have settled it. A dead letter belongs to one
// route: under mender.dead.<name>~<id>, unless the target has no name.
package relay
