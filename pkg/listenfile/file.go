// Package listenfile reads the file of `listen -f`, which describes endpoints and routes.
package listenfile

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// File is a file that Read checked, with the values of the variables and files that it
// names. It never prints a secret.
type File struct {
	// Name is the file's path.
	Name string
	// Endpoints is empty if the file leaves them out; then there is one, which the command
	// line describes.
	Endpoints []Endpoint
	Routes    []Route
}

// Format prints only the name, for every verb, since the file contains secrets.
func (f File) Format(s fmt.State, _ rune) { fmt.Fprint(s, "file ", f.Name) }

// Endpoint is where the webhook of one organization sends events.
type Endpoint struct {
	Name string
	// Path is the only path on which events are accepted.
	Path string
	// Profile is a profile of the config file, or empty.
	Profile string
	// SecretFile is the path of a file with secrets, to be read again when it changes; empty
	// if Secret is known.
	SecretFile string
	Secret     webhook.Secret
	// SubjectPrefix is the prefix of subjects and streams on a cluster, or empty.
	SubjectPrefix string
}

// Format is a format in which events are sent to an application.
type Format string

// The formats.
const (
	Raw              Format = "raw"
	CloudEvents      Format = "cloudevents"
	StandardWebhooks Format = "standard-webhooks"
)

// Route is where events of an endpoint go: to a URL, or to a program.
type Route struct {
	Name string
	// Endpoint is the name of the route's endpoint; empty if the file has no endpoints.
	Endpoint string
	From     relay.From
	// Where is a jq expression, or empty for all events.
	Where string
	// SkipErrors skips events for which the expression fails.
	SkipErrors bool
	// ForwardTo is the application's URL; nil for a program.
	ForwardTo *url.URL
	As        Format
	// SignWith is the key of StandardWebhooks.
	SignWith []byte
	Header   http.Header
	// Exec is a program and its arguments; empty for an application. A program with a
	// relative path begins with the file's folder.
	Exec []string
	// Env has the names of variables that the program gets.
	Env []string
	// Timeout limits an attempt; 0 means the default.
	Timeout time.Duration
	// Concurrency is how many events are forwarded at once.
	Concurrency int
	// DeadOn has statuses or exit codes; nil means the defaults, empty means none.
	DeadOn []int
	// MaxAttempts and MaxAge limit how long an event is retried; 0 means no limit.
	MaxAttempts int
	MaxAge      time.Duration
	WhenFull    relay.WhenFull
}

// String returns the name of the route, after that of its endpoint if it has one.
func (r Route) String() string {
	if r.Endpoint == "" {
		return r.Name
	}
	return r.Endpoint + "/" + r.Name
}

// Same reports whether two routes are the same in every respect.
func (r Route) Same(other Route) bool { return reflect.DeepEqual(r, other) }

// Difference has the names of the entries that differ between two files, in order.
type Difference struct{ Added, Removed, Changed []string }

// Since returns what differs from an earlier version of the file.
func (f *File) Since(old *File) (endpoints, routes Difference) {
	return difference(byName(old.Endpoints, endpointName), byName(f.Endpoints, endpointName)),
		difference(byName(old.Routes, Route.String), byName(f.Routes, Route.String))
}

func endpointName(e Endpoint) string { return e.Name }

func byName[T any](all []T, name func(T) string) map[string]T {
	named := map[string]T{}
	for _, one := range all {
		named[name(one)] = one
	}
	return named
}

func difference[T any](old, now map[string]T) (d Difference) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		before, existed := old[name]
		switch {
		case !existed:
			d.Added = append(d.Added, name)
		case !reflect.DeepEqual(before, now[name]):
			d.Changed = append(d.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, exists := now[name]; !exists {
			d.Removed = append(d.Removed, name)
		}
	}
	return d
}
