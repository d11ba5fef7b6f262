// Package mender is a client for Mender's management API: the integrations and
// events of iot-manager, the logins and tokens of useradm, and the lists of
// devices. It has one method for each call.
//
//	client, err := mender.New(mender.Options{Server: "hosted.mender.io", Token: token})
//	id, err := client.CreateIntegration(ctx, mender.NewIntegration{
//		Provider:    mender.ProviderWebhook,
//		Credentials: mender.HTTP("https://example.com/hook", secret.Hex()),
//	})
//
// Calls that can be repeated without harm are retried if the server is overloaded
// or unreachable. A call that creates something is not retried once it may have
// arrived. Each error of a call is an *Error; to examine it, use errors.Is with
// the Err variables of this package, or use package fault.
//
// Statements about Mender's behavior come from its API descriptions, its public
// sources (mender-server, backend/services/iot-manager and useradm), and traffic
// recorded from the real services, which is in this package's testdata.
package mender
