package listener

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// TestMetricsFollowPrometheusConventions serves a listener with a store and reads
// its metrics. Every sample must belong to a family with a help and a type, only
// the names of counters end in _total, and the values are right.
func TestMetricsFollowPrometheusConventions(t *testing.T) {
	l, err := Open(t.Context(), Options{Endpoints: []Endpoint{{Store: &relay.StoreOptions{Dir: t.TempDir()}}}, Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	ports := Ports{Events: []net.Listener{listen(t)}, Monitor: listen(t)}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx, func() (Ports, error) { return ports, nil }) }()

	sender := webhook.NewSender(webhook.SenderOptions{})
	defer sender.Close()
	body := `{"id":"e","type":"device-decommissioned","data":{"id":"d"}}`
	if d := sender.Send(ctx, "http://"+ports.Events[0].Addr().String(), []byte(body), webhook.Secret{}); d.Err != nil {
		t.Fatal(d.Err)
	}
	l.Hub().publish(Attempted{Duration: 3 * time.Millisecond})
	l.Hub().publish(Attempted{Duration: time.Minute, Err: errors.New("no")})
	l.Hub().publish(Attempted{Route: "lake", Duration: 3 * time.Millisecond})
	l.Hub().publish(DeadLettered{})
	text := get(t, "http://"+ports.Monitor.Addr().String()+"/metrics")
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	checkConventions(t, strings.TrimSpace(text))
	for _, want := range []string{
		`mender_webhooks_received_total{verdict="unchecked",status="204"} 1`,
		`mender_webhooks_forward_attempts_total{result="delivered"} 1`,
		`mender_webhooks_forward_attempts_total{result="failed"} 1`,
		`mender_webhooks_forward_duration_seconds_bucket{le="0.0025"} 0`,
		`mender_webhooks_forward_duration_seconds_bucket{le="0.005"} 1`,
		`mender_webhooks_forward_duration_seconds_bucket{le="+Inf"} 2`,
		`mender_webhooks_forward_duration_seconds_sum 60.003`,
		`mender_webhooks_forward_duration_seconds_count 2`,
		`mender_webhooks_forward_duration_seconds_bucket{le="0.005",route="lake"} 1`,
		`mender_webhooks_forward_duration_seconds_count{route="lake"} 1`,
		`mender_webhooks_dead_lettered_total 1`,
		`mender_webhooks_waiting 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, name := range documented(t) {
		if !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("docs name %s", name)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// documented returns the metrics that the docs, alerts and dashboards mention.
func documented(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("../../docs"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../../docs", path))
		for _, name := range regexp.MustCompile(`mender_webhooks_[a-z_]+`).FindAllString(string(text), -1) {
			names = append(names, strings.TrimSuffix(name, "_bucket"))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatal(len(names), err)
	}
	return names
}

func checkConventions(t *testing.T, text string) {
	t.Helper()
	family, kind := "", ""
	helped := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case words[0] == "#" && words[1] == "HELP":
			if family = words[2]; helped[family] {
				t.Errorf("%s comes twice", family)
			}
			helped[family] = true
		case words[0] == "#" && words[1] == "TYPE":
			if kind = words[3]; words[2] != family || (kind == counter) != strings.HasSuffix(family, "_total") {
				t.Errorf("%s is a %s", words[2], kind)
			}
		default:
			name, _, _ := strings.Cut(words[0], "{")
			if kind == "histogram" {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					name = strings.TrimSuffix(name, suffix)
				}
			}
			if name != family {
				t.Errorf("%s has no help", words[0])
			}
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return "\n" + string(body)
}

// Idle connections to the monitor must not use up the descriptors that
// deliveries need.
func TestMonitorBoundsItsConnections(t *testing.T) {
	l, err := Open(t.Context(), Options{Endpoints: []Endpoint{{}}, Info: t.Logf, Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	nl := listen(t)
	stop := l.monitor(nl)
	defer stop()
	ended := make(chan struct{}, monitorConns+8)
	for range cap(ended) {
		c, err := net.Dial("tcp", nl.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		go func() {
			_, _ = io.ReadAll(c) // until one side closes it
			ended <- struct{}{}
		}()
	}
	for range 8 {
		select {
		case <-ended:
		case <-time.After(9 * time.Second): // less than the limit for a slow request
			t.Fatal("too many connections stay open")
		}
	}
	if text := get(t, "http://"+nl.Addr().String()+"/healthz"); text != "\nok\n" {
		t.Error(text)
	}
}
