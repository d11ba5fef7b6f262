package inspector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// about answers with what the page may offer.
func (i *Inspector) about(w http.ResponseWriter, _ *http.Request) {
	about := struct {
		Target    string   `json:"target"`
		Edit      bool     `json:"edit"`
		Queue     bool     `json:"queue"`
		Log       bool     `json:"log"`
		Endpoints []string `json:"endpoints"`
	}{Log: i.o.Log != nil, Endpoints: i.o.Listener.Endpoints()}
	var targets []string
	for _, endpoint := range about.Endpoints {
		about.Edit = about.Edit || i.canEdit(endpoint)
		about.Queue = about.Queue || i.o.Listener.Queue(endpoint) != nil
		if application := i.o.Listener.Application(endpoint); application != nil {
			targets = append(targets, application.String())
		}
	}
	about.Target = strings.Join(targets, ", ")
	writeJSON(w, about)
}

// details answers with a request in full.
func (i *Inspector) details(w http.ResponseWriter, r *http.Request) {
	d, err := i.history.Details(number(r))
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, d)
}

// raw answers with a request as an HTTP message, as `listen --save` writes it.
func (i *Inspector) raw(w http.ResponseWriter, r *http.Request) {
	e, err := i.history.Find(number(r))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=request-%d.http", number(r)))
	_, _ = w.Write(webhook.Message{Path: redact.URLs(e.Path), Header: e.Header, Body: e.Body}.Bytes())
}

// answer answers with the application's answer to an attempt.
func (i *Inspector) answer(w http.ResponseWriter, r *http.Request) {
	a, err := i.history.Answer(number(r))
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, a)
}

// logTimeout is how long the page waits for Mender's log.
const logTimeout = 10 * time.Second

// log answers with the newest events of Mender's log for the endpoint that the URL names.
func (i *Inspector) log(w http.ResponseWriter, r *http.Request) {
	if i.o.Log == nil {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	endpoint := r.URL.Query().Get("endpoint")
	events, err := i.o.Log(ctx, endpoint)
	if err != nil {
		text := err.Error()
		if hint := fault.HintOf(err); hint != "" {
			text += "\nhint: " + hint
		}
		http.Error(w, text, http.StatusBadGateway)
		return
	}
	items := []history.Item{}
	for n, e := range events {
		item := history.LoggedItem(uint64(n), e) //nolint:gosec // an index
		item.Endpoint = endpoint
		items = append(items, item)
	}
	writeJSON(w, items)
}

// number returns the number of the request that a URL names, or 0, which no
// request has.
func number(r *http.Request) uint64 {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails if the page is gone
}
