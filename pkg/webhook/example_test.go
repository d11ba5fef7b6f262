package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// A receiver checks the signature of the exact body before it decodes the JSON,
// and answers at once: Mender waits 10 seconds and tries only once.
func Example_receiver() {
	secret, err := webhook.ParseSecret("deadbeef")
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if v := webhook.Verify(r.Header, body, secret); v.Verdict != webhook.Valid {
			fmt.Println("refused:", v)
			http.Error(w, v.String(), http.StatusUnauthorized)
			return
		}
		event, err := webhook.ParseEvent(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Println("received:", event.Type, event.DeviceID(), event.DeviceStatus())
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()

	sender := webhook.NewSender(webhook.SenderOptions{})
	defer sender.Close()
	body := []byte(`{"id":"1","type":"device-status-changed","data":{"id":"d1","status":"accepted"}}`)
	for _, s := range []webhook.Secret{secret, {}, webhook.EmptySecret()} {
		d := sender.Send(context.Background(), receiver.URL, body, s)
		fmt.Println("sent:", d.StatusCode)
	}
	// Output:
	// received: device-status-changed d1 accepted
	// sent: 204
	// refused: unsigned
	// sent: 401
	// refused: invalid (empty-secret)
	// sent: 401
}

func ExampleVerify() {
	secret, _ := webhook.ParseSecret("deadbeef")
	body := []byte(`{"id":"1","type":"device-decommissioned"}`)
	header := http.Header{}
	header.Set(webhook.HeaderSignature, secret.Sign(body))

	fmt.Println(webhook.Verify(header, body, secret).Verdict)
	fmt.Println(webhook.Verify(header, append(body, ' '), secret))
	fmt.Println(webhook.Verify(header, body))
	// Output:
	// valid
	// invalid (wrong-secret-or-altered-body)
	// unchecked
}

func ExampleNewEvent() {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	event, err := webhook.NewEvent("e1", webhook.DeviceStatusChanged, at,
		webhook.StatusChange{ID: "d1", Status: webhook.StatusRejected})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := event.MarshalJSON()
	fmt.Println(string(body), err)
	// Output:
	// {"id":"e1","type":"device-status-changed","data":{"id":"d1","status":"rejected"},"time":"2026-11-23T09:00:00Z"} <nil>
}
