// Package relay keeps events in a durable queue and forwards them, until the
// application has each one. The queue is a NATS JetStream stream: an embedded
// one in a folder (Open), or one that is reached over a connection (NewQueue);
// all that is said of a Queue holds for both.
//
//	store, err := relay.Open(ctx, relay.StoreOptions{Dir: dir, Logf: log.Printf})
//	…
//	defer store.Close()
//	forwarder, err := store.Forward(relay.ForwardOptions{Target: application})
//	…
//	outcome, err := store.Publish(ctx, relay.Event{ID: id, Type: typ, Header: h, Body: body})
//	// Stored and Duplicate are answered with 204, anything else with 503.
//	…
//	err = forwarder.Stop(graceCtx) // finishes what is in flight
//
// # Guarantees
//
// What Publish called Stored is forwarded at least once. It is forwarded a
// second time only where the process, or the machine, ended between the
// application's 2xx and the moment the store wrote it down, which it does
// several times a second. An event whose id is still kept is a Duplicate, and
// not forwarded again. With a concurrency of 1, events reach the application
// in the order they were stored in, and one that fails holds up those behind
// it.
//
// # Names on the stream
//
// With the default prefix, events are in the stream MENDER_EVENTS under
// mender.events.<type>, with the headers they came with, the exact bytes, and
// the event's id as Nats-Msg-Id. The durable consumer "forward" holds what was
// forwarded. What was given up is in MENDER_DEAD under mender.dead.<id>.
package relay
