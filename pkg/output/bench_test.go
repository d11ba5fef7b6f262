package output

import (
	"encoding/json"
	"io"
	"testing"
)

// BenchmarkStream writes an event of typical size in each format.
func BenchmarkStream(b *testing.B) {
	value := json.RawMessage(`{"id":"27f35fc7-6930-4fb0-96f3-d9d0ef261c8c","type":"device-status-changed",` +
		`"data":{"id":"769e5a83-259c-4506-ab05-9c2564f196fd","status":"rejected"},"time":"2026-11-23T09:54:34.681Z",` +
		`"delivery_statuses":[{"integration_id":"3bb0e41e-46b7-497b-977b-9215502b73e9","success":true,"status_code":200}]}`)
	item := Item{Value: value, Row: []string{"27f35fc7", "sensor", "accepted", "none"}, Name: "27f35fc7"}
	for _, format := range Formats() {
		b.Run(string(format), func(b *testing.B) {
			p, err := New(io.Discard, Options{Format: format})
			if err != nil {
				b.Fatal(err)
			}
			s := p.Stream(sampleColumns)
			for b.Loop() {
				if err := s.Write(item); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
