// Package mender is a client of Mender's management API: the integrations and
// events of iot-manager, and the logins and tokens of useradm. It has one method
// for each call.
//
//	client, err := mender.New(mender.Options{Server: "hosted.mender.io", Token: token})
//	id, err := client.CreateIntegration(ctx, mender.NewIntegration{
//		Provider:    mender.ProviderWebhook,
//		Credentials: mender.HTTP("https://example.com/hook", secret.Hex()),
//	})
//
// Calls that can be repeated without harm are retried if the server is overloaded
// or unreachable. A call that creates something is not, once it may have arrived.
// Each error of a call is an *Error; use errors.Is with the Err variables of this
// package, or package fault.
//
// Facts about Mender come from its API descriptions, its public sources
// (mender-server, backend/services/iot-manager and useradm), and traffic recorded
// from the real services, which is in this package's testdata.
package mender
