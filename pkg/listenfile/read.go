package listenfile

import (
	"context"
	_ "embed" // for the schema
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

//go:embed listen.schema.json
var schema string

// Schema is the JSON Schema (draft 7) of a file, for editors and for Read. It does not
// cover what depends on the machine, nor names that occur twice.
func Schema() string { return schema }

var parsedSchema = sync.OnceValue(func() *yamlfile.Schema { return yamlfile.ParseSchema(schema) }) //nolint:gochecknoglobals // parsed once, when it is needed

// The size limits of a file and of the files that it names, in bytes: far more than
// they need.
const (
	maxFile   = 256 << 10
	maxSecret = 64 << 10
)

// Options are what Read requires of its caller.
type Options struct {
	// LookupEnv is os.LookupEnv, or a replacement in tests.
	LookupEnv func(string) (string, bool)
	// CheckProfile returns an error if there is no such profile.
	CheckProfile func(name string) error
	// CheckURL returns an error if events must not be forwarded to a valid URL.
	CheckURL func(*url.URL) error
	// Cluster says that events are stored on a cluster, where each of several endpoints
	// requires a subject prefix.
	Cluster bool
}

// Read reads a file and checks all of it, including the variables, files and programs that
// it names. A file that runs programs, and its folder, must be safe from other users. The
// error is a *yamlfile.Error, or says why the file cannot be read. Read changes nothing.
func Read(ctx context.Context, path string, o Options) (*File, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	text, err := textfile.ReadBytes(ctx, path, nil, maxFile)
	if err != nil {
		return nil, err
	}
	return parse(path, text, machine{
		Sources:      yamlfile.Sources{LookupEnv: o.LookupEnv, ReadFile: readSecret, Dir: filepath.Dir(path)},
		checkProgram: checkProgram,
		checkAccess:  func() error { return checkAccess(path) },
		checkProfile: o.CheckProfile, checkURL: o.CheckURL, cluster: o.Cluster,
	})
}

// regular returns an error unless path names a regular file, since reading anything else
// could block.
func regular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	return err
}

func readSecret(path string) ([]byte, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	return textfile.ReadBytes(context.Background(), path, nil, maxSecret)
}

func checkProgram(o exectarget.Options) error {
	_, err := exectarget.New(o)
	return err
}

// machine is what a file is checked against.
type machine struct {
	yamlfile.Sources
	checkProgram func(exectarget.Options) error
	checkAccess  func() error
	checkProfile func(string) error
	checkURL     func(*url.URL) error
	cluster      bool
}

// reader collects the mistakes in a file.
type reader struct {
	*yamlfile.Reader
	machine
	file *File
	seen map[string]bool // values that must be unique
}

func parse(name string, text []byte, m machine) (*File, error) {
	r := &reader{
		Reader: yamlfile.NewReader(yamlfile.Kind{Schema: parsedSchema, Must: must}), machine: m,
		file: &File{Name: name}, seen: map[string]bool{},
	}
	if value, ok := r.Parse(text); ok {
		r.Validate(value)
		top, _ := value.(map[string]any)
		r.document(top)
	}
	if err := r.Err(name); err != nil {
		return nil, err
	}
	return r.file, nil
}

// document reads the file, as far as it matches the schema, and checks what the schema
// does not.
func (r *reader) document(top map[string]any) {
	endpoints, _ := top["endpoints"].([]any)
	for i, item := range endpoints {
		m, _ := item.(map[string]any)
		r.file.Endpoints = append(r.file.Endpoints, r.endpoint(m, []string{"endpoints", strconv.Itoa(i)}, len(endpoints) > 1))
	}
	routes, _ := top["routes"].([]any)
	runs := false
	for i, item := range routes {
		m, _ := item.(map[string]any)
		path := []string{"routes", strconv.Itoa(i)}
		route := r.route(m, path)
		r.file.Routes = append(r.file.Routes, route)
		if m["exec"] != nil && !runs {
			runs = true
			if err := r.checkAccess(); err != nil {
				r.Problem(yamlfile.Child(path, "exec"), "exec: %v", err)
			}
		}
	}
}

// must returns the requirement for the value at a path.
func must(path []string) string {
	key := yamlfile.Key(path)
	switch {
	case len(path) == 2 && path[1] != key:
		return "an entry must have keys and values, beginning with name:"
	case len(path) == 4 && path[2] == "headers":
		return "must be text without control characters, { env: VARIABLE } or { file: PATH }"
	}
	return map[string]string{
		"":               "must have keys and values, such as apiVersion: …",
		"apiVersion":     "must be " + yamlfile.APIVersion,
		"endpoints":      "must be a list with at least one entry, with - before each",
		"routes":         "must be a list, with - before each entry; write an empty list as []",
		"name":           "must be up to 32 lower-case letters, digits, - and _",
		"path":           "must begin with a slash and have no query or escapes, such as /acme",
		"profile":        "must be the name of a profile in the config file",
		"secret":         "must be a reference, because the file never contains it: { env: VARIABLE } or { file: PATH }",
		"subject_prefix": "must be words of letters, digits, - and _, with dots between them, such as acme.mender",
		"endpoint":       "must be the name of an endpoint",
		"from":           "must be now or oldest",
		"where":          "must be a jq expression",
		"on_error":       "must be dead-letter or skip",
		"forward_to":     "must be the application's URL",
		"exec":           "must be a list of the program and its arguments, such as [./open-ticket]",
		"env":            "must be a list of names of variables without duplicates, such as [TICKET_TOKEN]",
		"as":             "must be raw, cloudevents or standard-webhooks",
		"sign_with":      "must be a reference, because the file never contains it: { env: VARIABLE } or { file: PATH }",
		"headers":        "must have names and values, such as { Authorization: { env: VARIABLE } }",
		"timeout":        "must be a duration, such as 500ms, 30s or 2m",
		"concurrency":    "must be a whole number from 1 to 1000",
		"dead_on":        "must be a list of statuses from 300 to 599, or of exit codes from 1 to 255, without duplicates",
		"max_attempts":   "must be a whole number of at least 1",
		"max_age":        "must be a duration, such as 30m or 48h",
		"when_full":      "must be refuse or skip",
	}[key]
}
