// Package webhook implements the wire format of Mender's webhooks: events,
// signatures, and deliveries as iot-manager makes them. It imports only the
// standard library, so that any receiver written in Go can use it:
//
//	secret, err := webhook.ParseSecret(os.Getenv("MENDER_WEBHOOK_SECRET"))
//	…
//	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
//	…
//	if v := webhook.Verify(r.Header, body, secret); v.Verdict != webhook.Valid {
//		http.Error(w, v.String(), http.StatusUnauthorized)
//		return
//	}
//	event, err := webhook.ParseEvent(body)
//
// Facts about Mender in this package come from its public sources
// (mender-server, backend/services/iot-manager) and from requests recorded from
// the real service, which are in testdata.
package webhook
