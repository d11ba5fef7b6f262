package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	queueTimeout = 5 * time.Second
	// shownEvents is how many events of each state the page lists.
	shownEvents = 100
)

// replay sends a request's exact bytes to the target again.
func (i *Inspector) replay(w http.ResponseWriter, r *http.Request) {
	attempt, err := i.history.Replay(r.Context(), number(r))
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, attempt)
}

// fail answers with the reason why a request is not shown or sent.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusConflict
	if errors.Is(err, history.ErrGone) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

// canEdit reports whether edited copies of an endpoint's requests can be signed and
// sent.
func (i *Inspector) canEdit(endpoint string) bool {
	return i.o.Edit && i.o.Listener.Application(endpoint) != nil && len(i.o.Listener.Secrets(endpoint)) > 0
}

// edit sends a copy of a request with another body, signed with the webhook's
// secret and marked as edited. The answer does not contain the signature, which
// would be valid for Mender's own webhook.
func (i *Inspector) edit(w http.ResponseWriter, r *http.Request) {
	e, err := i.history.Accepted(number(r))
	if err != nil {
		fail(w, err)
		return
	}
	secrets := i.o.Listener.Secrets(e.Endpoint)
	if !i.o.Edit || len(secrets) == 0 {
		http.Error(w, "editing is off: start listen with --inspect-edit and a secret", http.StatusConflict)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
	if err != nil {
		http.Error(w, fmt.Sprintf("the body is larger than %d bytes", webhook.MaxBody), http.StatusRequestEntityTooLarge)
		return
	}
	header := target.EndToEnd(e.Header)
	maps.DeleteFunc(header, func(name string, _ []string) bool { return strings.HasPrefix(name, "X-Men-Sig") })
	maps.Copy(header, webhook.Header(body, secrets[0]))
	header.Set(target.HeaderEdited, "1")
	attempt, err := i.history.Deliver(r.Context(), e.Endpoint, target.Event{ID: e.ID, Type: string(e.Type), Header: header, Body: body})
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, attempt)
}

// curl answers with a command that sends a request's bytes.
func (i *Inspector) curl(w http.ResponseWriter, r *http.Request) {
	e, err := i.history.Find(number(r))
	if err != nil {
		fail(w, err)
		return
	}
	if !utf8.Valid(e.Body) || slices.Contains(e.Body, 0) {
		http.Error(w, "the body is binary and cannot be part of a curl command: download the request", http.StatusConflict)
		return
	}
	var b strings.Builder
	b.WriteString("curl --data-raw " + quote(string(e.Body)))
	header := target.EndToEnd(e.Header)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			b.WriteString(" \\\n  --header " + quote(name+": "+redact.Text(value)))
		}
	}
	b.WriteString(" \\\n  http://localhost:3000/\n")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, b.String())
}

// quote quotes text for a POSIX shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// queued is a stored event as the page lists it.
type queued struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Stored   time.Time `json:"stored"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
}

// queue answers with the first waiting events and dead letters, and the event
// that blocks the queue, of the endpoint that the URL names.
func (i *Inspector) queue(w http.ResponseWriter, r *http.Request) {
	q, ok := i.openQueue(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), queueTimeout)
	defer cancel()
	status, err := q.Status(ctx)
	answer := struct {
		Waiting []queued       `json:"waiting"`
		Dead    []queued       `json:"dead"`
		Blocked *relay.Blocked `json:"blocked"`
	}{Blocked: status.Blocked}
	if err == nil {
		answer.Waiting, err = firstEvents(ctx, q, relay.Waiting)
	}
	if err == nil {
		answer.Dead, err = firstEvents(ctx, q, relay.Dead)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, answer)
}

func firstEvents(ctx context.Context, q *relay.Queue, state relay.State) ([]queued, error) {
	events := []queued{}
	for e, err := range q.List(ctx, state) {
		if err != nil {
			return nil, err
		}
		if len(events) == shownEvents {
			break
		}
		events = append(events, queued{ID: e.ID, Type: e.Type, Stored: e.Stored, Attempts: e.Attempts, Reason: e.Reason})
	}
	return events, nil
}

// changeQueue retries or deletes the event that the body names, in the queue of the
// endpoint that the URL names.
func (i *Inspector) changeQueue(w http.ResponseWriter, r *http.Request) {
	q, ok := i.openQueue(w, r)
	if !ok {
		return
	}
	var order struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&order); err != nil || order.ID == "" {
		http.Error(w, "the id of an event is required", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), queueTimeout)
	defer cancel()
	change := q.Retry
	if strings.HasSuffix(r.URL.Path, "/drop") {
		change = q.Drop
	}
	switch err := change(ctx, order.ID); {
	case errors.Is(err, relay.ErrNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (i *Inspector) openQueue(w http.ResponseWriter, r *http.Request) (*relay.Queue, bool) {
	q := i.o.Listener.Queue(r.URL.Query().Get("endpoint"))
	if q == nil {
		http.Error(w, "there is no queue: start listen with --store or --nats, or wait until the cluster is available", http.StatusConflict)
	}
	return q, q != nil
}
