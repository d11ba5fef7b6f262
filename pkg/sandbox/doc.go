// Package sandbox stands in for a Mender server on this machine: the APIs of
// iot-manager and useradm, their sessions and tokens, and the webhook deliveries
// that follow changes of devices.
//
//	box, err := sandbox.New(sandbox.Options{})
//	…
//	server := httptest.NewServer(box)
//	… // set up a webhook at server.URL, with box.AdminToken()
//	err = box.SetStatus([]string{device}, webhook.StatusAccepted)
//	err = box.Settle(ctx) // the event is delivered and logged
//
// It has the real services' messages and quirks: one integration for the
// organization, GET by id that ignores the id, credentials replaced without
// checking the provider, a single delivery attempt whose timeout is not logged.
// The package's tests replay recordings of the real services against it.
//
// Serve a Sandbox directly, not through an http.ServeMux. The tenant of an open
// source server has an empty id, so paths such as
// /api/internal/v1/iot-manager/tenants//devices are valid; a ServeMux would
// clean and redirect them.
//
// # Scope
//
// iot-manager: integrations, events, devices, and the internal calls that emit
// device events. useradm: login (Basic, two-factor codes), logout, users/me,
// settings/tokens, plans and plan_binding. All other paths are answered with 404
// in plain text, as by Mender's gateway.
//
// Integrations of Azure IoT Hub and AWS IoT Core are accepted and checked like
// on the server, except that host names are not resolved. Nothing is sent to
// these clouds. A device provisioned while such an integration exists is
// connected to it, and its events are logged as delivered without a status code,
// as in the real log. Events of devices that are not connected have no
// delivery_statuses, and events of devices that were never provisioned are logged
// with an error. Devices have no state in these clouds.
//
// Options.Scopes simulates an Enterprise server. Its sources are not public:
// scopes, roles, plan and tenant follow Mender's documentation and web UI. The
// read-only user may read everything here; on Mender's own servers the predefined
// read-only role has no access to iot-manager at all.
package sandbox
