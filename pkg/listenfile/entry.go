package listenfile

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/filter"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/format"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/httptarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// endpoint reads an endpoint, one of several or the only one.
func (r *reader) endpoint(m map[string]any, path []string, several bool) Endpoint {
	e := Endpoint{Name: text(m, "name"), Path: text(m, "path"), Profile: text(m, "profile"), SubjectPrefix: text(m, "subject_prefix")}
	for _, key := range []string{"name", "path", "subject_prefix"} {
		r.unique(m, path, key, "endpoint")
	}
	if e.Name != "" {
		if err := listener.CheckEndpoint(e.Name); err != nil {
			r.Problem(yamlfile.Child(path, "name"), "name: %v", err)
		}
	}
	if r.cluster && several && m != nil && m["subject_prefix"] == nil && !r.Wrong(yamlfile.Child(path, "subject_prefix")) {
		r.Problem(path, "subject_prefix is missing: on a cluster, each of several endpoints requires one, such as %s.mender", cmp.Or(e.Name, "acme"))
	}
	if e.Profile != "" {
		if err := r.checkProfile(e.Profile); err != nil {
			r.Problem(yamlfile.Child(path, "profile"), "profile: %v", err)
		}
	}
	if ref, ok := r.reference(m, path, "secret"); ok {
		e.SecretFile, e.Secret = r.secret(ref)
	}
	return e
}

// secret returns the path of the file with the secret, or the secret in a variable.
func (r *reader) secret(ref reference) (file string, s webhook.Secret) {
	var err error
	if ref.kind == fromFile {
		var data []byte
		if data, err = r.File(ref.name); err == nil {
			_, err = webhook.ParseSecrets(data)
		}
		file = r.Path(ref.name)
	} else {
		var value string
		if value, err = r.Env(ref.name); err == nil {
			s, err = webhook.ParseSecret(value)
		}
	}
	r.refuse(ref, err)
	return file, s
}

// unique adds a problem for the value of a key if an earlier entry of the same kind has the
// same value.
func (r *reader) unique(m map[string]any, path []string, key, kind string) {
	value := text(m, key)
	id := strings.Join([]string{kind, key, value}, " ")
	if value != "" && r.seen[id] {
		r.Problem(yamlfile.Child(path, key), "%s: %s is given twice", key, value)
	}
	r.seen[id] = true
}

// text returns the text that a key has, or "" for anything else.
func text(m map[string]any, key string) string { return asText(m[key]) }

// route reads a route.
func (r *reader) route(m map[string]any, path []string) Route {
	t := Route{
		Name: text(m, "name"), Endpoint: r.routeEndpoint(m, path), From: relay.From(cmp.Or(text(m, "from"), string(relay.FromNow))),
		WhenFull: relay.WhenFull(cmp.Or(text(m, "when_full"), string(relay.Refuse))),
		Timeout:  r.duration(m, path, "timeout"), MaxAge: r.duration(m, path, "max_age"),
		Concurrency: max(1, whole(m["concurrency"])), MaxAttempts: whole(m["max_attempts"]),
	}
	r.unique(m, path, "name", "route of "+t.Endpoint)
	if list, ok := m["dead_on"].([]any); ok {
		t.DeadOn = []int{}
		for _, item := range list {
			t.DeadOn = append(t.DeadOn, whole(item))
		}
	}
	r.filter(m, path, &t)
	r.destination(m, path)
	if m["forward_to"] != nil {
		r.application(m, path, &t)
	}
	if m["exec"] != nil {
		r.program(m, path, &t)
	}
	return t
}

// routeEndpoint returns the endpoint of a route.
func (r *reader) routeEndpoint(m map[string]any, path []string) string {
	var names []string
	for _, e := range r.file.Endpoints {
		names = append(names, e.Name)
	}
	name, given := m["endpoint"].(string)
	at := yamlfile.Child(path, "endpoint")
	switch {
	case given && slices.Contains(names, name):
	case given && len(names) == 0:
		r.Problem(at, "endpoint: the file has no endpoints")
	case given && suggest.Name(name, names) != "":
		r.Problem(at, "endpoint: there is no endpoint %q; did you mean %s?", name, suggest.Name(name, names))
	case given:
		r.Problem(at, "endpoint: there is no endpoint %q", name)
	case len(names) == 1:
		return names[0]
	case len(names) > 1 && m != nil && m["endpoint"] == nil && !r.Wrong(at):
		r.Problem(path, "endpoint is missing: there are several endpoints")
	}
	return name
}

// filter checks the route's filter.
func (r *reader) filter(m map[string]any, path []string, t *Route) {
	t.Where, t.SkipErrors = text(m, "where"), text(m, "on_error") == "skip"
	if at := yamlfile.Child(path, "where"); t.Where != "" && !r.Wrong(at) {
		if _, err := filter.Compile(t.Where); err != nil {
			r.Problem(at, "where: %v", err)
		}
	}
	if m["on_error"] != nil && m["where"] == nil && !r.Wrong(yamlfile.Child(path, "where")) {
		r.Problem(yamlfile.Child(path, "on_error"), "on_error: only with where")
	}
}

// destination checks that a route has one destination, and only the keys that suit it.
func (r *reader) destination(m map[string]any, path []string) {
	forwards, runs := m["forward_to"] != nil, m["exec"] != nil
	switch {
	case forwards && runs:
		r.Problem(yamlfile.Child(path, "exec"), "exec: the route has forward_to already; write another route for the program")
		return
	case !forwards && !runs:
		if m != nil && !r.Wrong(yamlfile.Child(path, "forward_to")) && !r.Wrong(yamlfile.Child(path, "exec")) {
			r.Problem(path, "forward_to or exec is missing: a route must have one of them")
		}
		return
	}
	wrong, needed := []string{"env"}, "exec"
	if runs {
		wrong, needed = []string{"as", "sign_with", "headers"}, "forward_to"
	}
	for _, key := range wrong {
		if m[key] != nil {
			r.Problem(yamlfile.Child(path, key), "%s: only with %s", key, needed)
		}
	}
	r.deadOn(m, path, runs)
}

// deadOn checks that dead_on has statuses for an application, and exit codes for a program.
func (r *reader) deadOn(m map[string]any, path []string, runs bool) {
	list, _ := m["dead_on"].([]any)
	for i, item := range list {
		at := yamlfile.Child(yamlfile.Child(path, "dead_on"), strconv.Itoa(i))
		switch n := whole(item); {
		case runs && n > 255:
			r.Problem(at, "dead_on: %d is not an exit code, which must be from 1 to 255", n)
		case !runs && n > 0 && n < 300:
			r.Problem(at, "dead_on: invalid status %d: must be from 300 to 599, since an event is accepted with a status below 300", n)
		}
	}
}

// application reads what a route to a URL has.
func (r *reader) application(m map[string]any, path []string, t *Route) {
	if address, ok := m["forward_to"].(string); ok && address != "" {
		u, err := httptarget.ParseURL(address)
		if err == nil {
			err = r.checkURL(u)
		}
		if err != nil {
			r.Problem(yamlfile.Child(path, "forward_to"), "forward_to: %v", err)
		}
		t.ForwardTo = u
	}
	t.As = Format(cmp.Or(text(m, "as"), string(Raw)))
	at := yamlfile.Child(path, "sign_with")
	switch signs := t.As == StandardWebhooks; {
	case signs && m["sign_with"] == nil && !r.Wrong(at):
		r.Problem(path, "sign_with is missing: as: standard-webhooks requires { env: VARIABLE } or { file: PATH } with the route's own secret")
	case !signs && m["sign_with"] != nil:
		r.Problem(at, "sign_with: only with as: standard-webhooks")
	case signs:
		if ref, ok := r.reference(m, path, "sign_with"); ok {
			value, err := r.fetch(ref)
			if err == nil {
				t.SignWith, err = format.ParseSecret(value)
			}
			r.refuse(ref, err)
		}
	}
	t.Header = r.headers(m, path)
}

// headers returns the headers of a route, with the values of variables and files.
func (r *reader) headers(m map[string]any, path []string) http.Header {
	all, _ := m["headers"].(map[string]any)
	path = yamlfile.Child(path, "headers")
	h := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := yamlfile.Child(path, name)
		value, literal := all[name].(string)
		var err error
		if !literal {
			ref, ok := r.reference(all, path, name)
			if !ok {
				continue
			}
			if value, err = r.fetch(ref); err != nil {
				r.refuse(ref, err)
				continue
			}
		}
		if _, twice := h[http.CanonicalHeaderKey(name)]; twice {
			err = errors.New("the header is given twice")
		} else {
			err = httptarget.CheckHeader(name, value)
		}
		if err != nil {
			r.Problem(at, "headers: %v", err)
		}
		h.Set(name, value)
	}
	return h
}

// program reads what a route to a program has.
func (r *reader) program(m map[string]any, path []string, t *Route) {
	list, _ := m["exec"].([]any)
	for _, item := range list {
		t.Exec = append(t.Exec, asText(item))
	}
	names, _ := m["env"].([]any)
	for i, item := range names {
		name, at := asText(item), yamlfile.Child(yamlfile.Child(path, "env"), strconv.Itoa(i))
		if _, err := r.Env(name); err != nil && !r.Wrong(at) {
			r.Problem(at, "env: variable %s: %v", name, err)
		}
		t.Env = append(t.Env, name)
	}
	at := yamlfile.Child(path, "exec")
	if len(t.Exec) == 0 || slices.Contains(t.Exec, "") || r.Wrong(at) {
		return
	}
	t.Exec[0] = r.programPath(t.Exec[0])
	if err := r.checkProgram(exectarget.Options{Program: t.Exec[0], Args: t.Exec[1:], Env: t.Env}); err != nil {
		r.Problem(at, "exec: %v", err)
	}
}

// programPath returns the path of a program, or its name if it is to be found in PATH.
func (r *reader) programPath(name string) string {
	if filepath.Base(name) == name {
		return name
	}
	path := r.Path(name)
	if filepath.Base(path) == path { // the folder is the current one
		path = "." + string(filepath.Separator) + path
	}
	return path
}

// asText returns a text, or "" for anything else.
func asText(value any) string {
	t, _ := value.(string)
	return t
}

// duration returns the value of a key, or 0.
func (r *reader) duration(m map[string]any, path []string, key string) time.Duration {
	at, value := yamlfile.Child(path, key), text(m, key)
	if value == "" || r.Wrong(at) {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil { // the schema checks everything except the size
		r.Problem(at, "%s: too long", key)
	}
	return d
}

// whole returns a whole number, or 0 for anything else.
func whole(value any) int {
	switch n := value.(type) {
	case uint64:
		return int(min(n, 1<<31)) //nolint:gosec // it fits
	case float64:
		return int(min(n, 1<<31))
	}
	return 0
}
