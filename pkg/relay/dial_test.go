package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// startServer runs a NATS server for the test, and returns its URL.
func startServer(t *testing.T, change func(*server.Options)) string {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), DisableJetStreamBanner: true,
	}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server did not start")
	}
	return s.ClientURL()
}

func dial(t *testing.T, o relay.DialOptions) (*relay.Cluster, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.Logf == nil {
		o.Logf = quietLog(t)
	}
	c, err := relay.Dial(ctx, o)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func mustDial(t *testing.T, o relay.DialOptions) *relay.Cluster {
	t.Helper()
	c, err := dial(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// streams connects as an admin who changes streams and consumers.
func streams(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestAnyConsumerReadsAlong(t *testing.T) {
	url := startServer(t, nil)
	c := mustDial(t, relay.DialOptions{URLs: []string{url}, Prefix: "acme.mender"})
	sent := relay.Event{
		ID: "48919a10-2fbd-4ab4-8420-e2cb959938a4", Type: "device-provisioned",
		Header: http.Header{"X-Men-Signature": {"5f"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer x"}},
		Body:   []byte("{\"id\":\"48919a10-2fbd-4ab4-8420-e2cb959938a4\", \"type\":\"device-provisioned\"}\n\x00"),
	}
	for _, want := range []relay.Outcome{relay.Stored, relay.Duplicate} {
		if outcome, err := c.Publish(t.Context(), sent); outcome != want {
			t.Fatalf("%s, %v", outcome, err)
		}
	}
	publishTo(t, c, "other") // of another type

	js := streams(t, url)
	consumer, err := js.CreateConsumer(t.Context(), "ACME_MENDER_EVENTS", jetstream.ConsumerConfig{
		FilterSubject: "acme.mender.events.device-provisioned",
	})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.FetchNoWait(10)
	if err != nil {
		t.Fatal(err)
	}
	var got []jetstream.Msg
	for m := range batch.Messages() {
		got = append(got, m)
	}
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	if diff := cmp.Diff(string(sent.Body), string(got[0].Data())); diff != "" {
		t.Error(diff)
	}
	want := nats.Header{"X-Men-Signature": {"5f"}, "Content-Type": {"application/json"}, "Nats-Msg-Id": {sent.ID}}
	if diff := cmp.Diff(want, got[0].Headers()); diff != "" {
		t.Error(diff)
	}
}

func TestStreamThatExists(t *testing.T) {
	base := jetstream.StreamConfig{
		Name: "MENDER_EVENTS", Subjects: []string{"mender.events.*"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxBytes: 1 << 20, Duplicates: time.Hour, Description: "ours",
	}
	for _, test := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   string // in the error; empty: it fits
	}{
		{"fits", func(*jetstream.StreamConfig) {}, ""},
		{"no limit", func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = -1, jetstream.DiscardOld }, ""},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "must be limits"},
		{"memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "storage is memory but must be file"},
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"mender.>"} }, "must be mender.events.*"},
		{"age", func(c *jetstream.StreamConfig) { c.MaxAge = 2 * time.Hour }, "max age is 2h0m0s but must be 0"},
		{"old", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "discard policy is old but must be new"},
		{"per type", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, "max messages per subject is 5"},
		{"no purge", func(c *jetstream.StreamConfig) { c.DenyPurge = true }, "denies deleting or purging messages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := startServer(t, nil)
			js, config := streams(t, url), base
			test.change(&config)
			if _, err := js.CreateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			c, err := dial(t, relay.DialOptions{URLs: []string{url}, MaxBytes: 8 << 20})
			if test.want != "" {
				if !errors.Is(err, relay.ErrMisfit) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			publishTo(t, c, "a")
			after, err := js.Stream(t.Context(), "MENDER_EVENTS")
			if err != nil {
				t.Fatal(err)
			}
			if got := after.CachedInfo().Config; got.MaxBytes != config.MaxBytes || got.Duplicates != config.Duplicates || got.Discard != config.Discard {
				t.Errorf("it was changed: %+v", got)
			}
		})
	}
}

func TestConsumerThatDoesNotFit(t *testing.T) {
	url := startServer(t, nil)
	c := mustDial(t, relay.DialOptions{URLs: []string{url}})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	js := streams(t, url)
	if err := js.DeleteConsumer(t.Context(), "MENDER_EVENTS", "forward"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), "MENDER_EVENTS", jetstream.ConsumerConfig{
		Durable: "forward", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 3,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, relay.DialOptions{URLs: []string{url}}); !errors.Is(err, relay.ErrMisfit) {
		t.Errorf("got %v", err)
	}
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	url := startServer(t, nil)
	limited := startServer(t, func(o *server.Options) { o.Username, o.Password = "ann", "right" })
	seed := "SU" + strings.Repeat("A", 56)
	for _, test := range []struct {
		name string
		o    relay.DialOptions
		is   error
		want string
	}{
		{"no server", relay.DialOptions{URLs: []string{"nats://127.0.0.1:1"}}, relay.ErrUnavailable, "no servers"},
		{"wrong password", relay.DialOptions{URLs: []string{limited}, User: "ann", Password: "wrong-one"}, relay.ErrRefused, "Authorization"},
		{"no identity", relay.DialOptions{URLs: []string{limited}}, relay.ErrRefused, "Authorization"},
		{"nothing to look after", relay.DialOptions{URLs: []string{url}, Attach: true}, relay.ErrNoStream, "MENDER_EVENTS"},
		{"replicas", relay.DialOptions{URLs: []string{url}, Replicas: 3}, nil, "replicas"},
		{"scheme", relay.DialOptions{URLs: []string{"http://ann:wrong-one@host"}}, nil, "tls://"},
		{"prefix", relay.DialOptions{URLs: []string{url}, Prefix: "a.>"}, nil, "separated by dots"},
		{"seed", relay.DialOptions{URLs: []string{url}, NKeyFile: seed}, nil, "the name of its file"},
		{"credentials", relay.DialOptions{URLs: []string{url}, CredsFile: "missing.creds"}, nil, "missing.creds"},
		{"key without certificate", relay.DialOptions{URLs: []string{url}, KeyFile: "k"}, nil, "requires its key"},
		{"context", relay.DialOptions{Context: filepath.Join(t.TempDir(), "none.json")}, nil, "no context"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			_, err := relay.Dial(ctx, test.o)
			if err == nil || !strings.Contains(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Errorf("got %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "wrong-one") || strings.Contains(err.Error(), seed)) {
				t.Errorf("it tells a secret: %v", err)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	url := startServer(t, func(o *server.Options) {
		o.Nkeys = []*server.NkeyUser{{Nkey: public}}
		o.Users = []*server.User{{Username: "ann", Password: "right"}}
	})
	dir := t.TempDir()
	nkey := filepath.Join(dir, "user.nk")
	write(t, nkey, string(seed))
	t.Setenv("XDG_CONFIG_HOME", dir)
	contexts := filepath.Join(dir, "nats", "context")
	if err := os.MkdirAll(contexts, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(contexts, "ops.json"), fmt.Sprintf(`{"description":"x","url":%q,"user":"ann","password":"right"}`, url))
	write(t, filepath.Join(contexts, "key.json"), fmt.Sprintf(`{"url":"nats://nowhere:1","nkey":%q}`, nkey))
	write(t, filepath.Join(contexts, "odd.json"), `{"nsc":"nsc://a/b/c"}`)
	for name, o := range map[string]relay.DialOptions{
		"user":                         {URLs: []string{url}, User: "ann", Password: "right"},
		"nkey":                         {URLs: []string{url}, NKeyFile: nkey},
		"context":                      {Context: "ops"},
		"context's file":               {Context: filepath.Join(contexts, "ops.json")},
		"a URL outranks the context's": {Context: "key", URLs: []string{url}},
	} {
		t.Run(name, func(t *testing.T) { publishTo(t, mustDial(t, o), "a") })
	}
	if _, err := dial(t, relay.DialOptions{Context: "odd"}); err == nil || !strings.Contains(err.Error(), `"nsc" is not supported`) {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStatusOfSeveral asks two listeners. The answer includes events that only one
// of them knows, but not those that the other has settled since.
func TestStatusOfSeveral(t *testing.T) {
	url := startServer(t, nil)
	var bad = make(chan int, 1)
	bad <- http.StatusInternalServerError
	app := newApplication(t, func(string, int) int { s := <-bad; bad <- s; return s })
	a := mustDial(t, relay.DialOptions{URLs: []string{url}})
	b := mustDial(t, relay.DialOptions{URLs: []string{url}})
	looker := mustDial(t, relay.DialOptions{URLs: []string{url}, Attach: true})
	for _, c := range []*relay.Cluster{a, b} {
		if _, err := c.Forward(quick(app.URL)); err != nil {
			t.Fatal(err)
		}
	}
	publishTo(t, a, "first", "second")
	eventually(t, "both tried it, and say so", func() bool {
		s, err := looker.Status(t.Context())
		return err == nil && s.Forwarders == 2 && s.Blocked != nil && s.Blocked.ID == "first" && s.Blocked.Attempts > 5 && s.Waiting == 2
	})
	<-bad
	bad <- http.StatusOK
	eventually(t, "nothing is blocked any more", func() bool {
		s, err := looker.Status(t.Context())
		return err == nil && s.Waiting == 0 && s.Blocked == nil && s.InFlight == 0
	})
	if diff := cmp.Diff([]string{"first", "second"}, app.took()); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"first", "second"} {
		if e, err := looker.Show(t.Context(), id); err != nil || e.State != relay.Delivered {
			t.Errorf("%s: %s, %v", id, e.State, err)
		}
	}
}

// TestQueueOverCluster manages dead letters from a third process.
func TestQueueOverCluster(t *testing.T) {
	url := startServer(t, nil)
	app := newApplication(t, func(_ string, attempt int) int {
		if attempt == 1 {
			return http.StatusGone
		}
		return http.StatusOK
	})
	c := mustDial(t, relay.DialOptions{URLs: []string{url}})
	if _, err := c.Forward(quick(app.URL)); err != nil {
		t.Fatal(err)
	}
	looker := mustDial(t, relay.DialOptions{URLs: []string{url}, Attach: true})
	publishTo(t, c, "refused", "dropped")
	eventually(t, "both are dead", func() bool { s, err := looker.Status(t.Context()); return err == nil && s.Dead == 2 })
	if outcome, err := c.Publish(t.Context(), event("refused")); outcome != relay.Duplicate {
		t.Errorf("%s, %v", outcome, err)
	}
	if err := looker.Drop(t.Context(), "dropped"); err != nil {
		t.Error(err)
	}
	if err := looker.Retry(t.Context(), "refused"); err != nil {
		t.Error(err)
	}
	eventually(t, "it is delivered", func() bool { return len(app.took()) == 1 })
	if err := looker.Retry(t.Context(), "refused", "unknown"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	s, err := looker.Status(t.Context())
	if err != nil || s.Dead != 0 || s.Waiting != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
