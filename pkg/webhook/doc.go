// Package webhook is the wire format of Mender's webhooks: the events, their
// signatures, and the way iot-manager delivers them. It needs nothing but the
// standard library, so that a receiver written in Go can use it as it is:
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
// What is said here of Mender comes from its public sources (mender-server,
// backend/services/iot-manager) and from requests recorded from the real
// service; the recordings are in this package's testdata.
package webhook
