// Package sandbox is a stand-in for a Mender server on this machine: what
// iot-manager and useradm answer, the sessions and tokens behind it, and the
// webhook deliveries that follow when devices do something.
//
//	box, err := sandbox.New(sandbox.Options{})
//	…
//	server := httptest.NewServer(box)
//	… // set up a webhook at server.URL, with box.AdminToken()
//	err = box.SetStatus([]string{device}, webhook.StatusAccepted)
//	err = box.Settle(ctx) // the delivery is done, and logged
//
// It answers in the real services' words, quirks included: one integration
// for the organization, GET by id that ignores the id, credentials replaced
// without a look at the provider, deliveries with one try whose time-outs
// leave no trace in the log. The package's test replays recordings of the
// real services against it.
//
// A Sandbox must be handed to the server as it is, not inside of an
// http.ServeMux: the open source server's tenant has an empty id, and so
// paths such as /api/internal/v1/iot-manager/tenants//devices are real, which
// a ServeMux would clean and redirect.
//
// # What is played, and how far
//
// Of iot-manager: integrations, events, devices and the internal calls that
// make device events. Of useradm: login (Basic, two-factor codes), logout,
// users/me, settings/tokens, plans and plan_binding. What stands in front of
// them, a gateway, answers 404 in plain text for every other path.
//
// Integrations of Azure IoT Hub and AWS IoT Core are taken and checked as the
// server does, without looking up host names. Nothing is sent to these
// clouds: a device that is provisioned while such an integration exists is
// connected to it, and its events are logged as delivered, without a status
// code, as the real log has them. A device that is not connected to it is
// passed over (its event has no delivery_statuses), and one that was never
// provisioned is an error in the log. The state of a device in these clouds
// is not played: there never is one.
//
// Options.Scopes plays an Enterprise server. Mender's Enterprise sources are
// not public: scopes, roles, plan and tenant come from its documentation and
// its web UI. So does the refusal of the read-only user. He may read
// everything here; on Mender's own servers the predefined read-only role
// does not reach iot-manager at all.
package sandbox
