// Package mender is a client of Mender's management API: the integrations and
// events of iot-manager, and the logins and tokens of useradm.
//
//	client, err := mender.New(mender.Options{Server: "hosted.mender.io", Token: token})
//	…
//	id, err := client.CreateIntegration(ctx, mender.NewIntegration{
//		Provider:    mender.ProviderWebhook,
//		Credentials: mender.HTTP("https://example.com/hook", secret.Hex()),
//	})
//	…
//	for event, err := range client.Events(ctx, mender.EventQuery{}) {
//
// Calls that can be repeated without harm are, when the server is overloaded
// or out of reach; one that creates something is not, once it may have
// arrived. Every error of a call is an *Error, and is told apart with
// errors.Is and the Err values of this package.
//
// What is said here of Mender comes from its API descriptions, its public
// sources (mender-server, backend/services/iot-manager and useradm) and
// traffic recorded from the real services; the recording is in this package's
// testdata.
package mender
