// Package receiver is the HTTP side of listen: it takes Mender's deliveries,
// verifies their signatures, answers in time, and tells of each request in a
// Record.
//
//	secrets, err := receiver.LoadSecretFiles(report, "webhook.secret")
//	…
//	rc, err := receiver.New(receiver.Options{
//		Secrets: secrets.Secrets,
//		Observe: func(r receiver.Record) { … },
//	})
//	…
//	srv := receiver.NewServer(receiver.ServerOptions{Handler: rc})
//	err = srv.Serve(ctx, listener) // until ctx is done
//	err = rc.Close(ctx)            // shows what is still queued
//
// What becomes of an event is for Options.Accept to say: without it, an event
// is answered with 204; Forwarder.Accept hands it to an application at once;
// a store keeps it. Mender tries each delivery once and gives it 10 seconds,
// and one that runs out of them does not even reach its log, so Accept has to
// be quick.
package receiver
