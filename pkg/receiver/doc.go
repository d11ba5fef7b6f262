// Package receiver is the HTTP side of a webhook: it receives Mender's
// deliveries, verifies their signatures, and answers in time.
//
//	secrets, err := receiver.LoadSecretFiles(report, "webhook.secret")
//	…
//	rc, err := receiver.New(receiver.Options{
//		Secrets: secrets.Secrets,
//		Observe: func(x receiver.Exchange) { … },
//	})
//	…
//	srv := receiver.NewServer(receiver.ServerOptions{Handler: rc})
//	err = srv.Serve(ctx, listener) // until ctx is done
//
// Options.Accept decides what happens to an event: without it, an event is
// answered with 204. Mender tries each delivery only once and waits 10 seconds
// for the answer. A delivery that takes longer does not even appear in Mender's
// log, so Accept must be quick.
package receiver
