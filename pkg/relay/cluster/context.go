package cluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
)

// natsContext holds the supported settings of a context of the nats command line. This
// package reads contexts itself, because the command line's library (jsm.go) brings a
// schema validator, an expression language and a second JetStream client. The smaller
// library (orbit.go) can only connect, runs nsc, and cannot tell an invalid context
// from an unreachable cluster.
type natsContext struct {
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
	Domain      string `json:"jetstream_domain"`
	APIPrefix   string `json:"jetstream_api_prefix"`
	InboxPrefix string `json:"inbox_prefix"`
	TLSFirst    bool   `json:"tls_first"`

	// Settings that do not concern the connection.
	Description string `json:"description"`
	ColorScheme string `json:"color_scheme"`
	EventPrefix string `json:"jetstream_event_prefix"`
}

// readContext reads a context by its name or the path of its file.
func readContext(name string) (natsContext, error) {
	var c natsContext
	path := name
	if !strings.ContainsAny(name, `/\`) {
		dir, err := contextDir()
		if err != nil {
			return c, fmt.Errorf("context %q: %w", name, err)
		}
		path = filepath.Join(dir, name+".json")
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("no context %q: %s does not exist", name, path)
	}
	if err != nil {
		return c, fmt.Errorf("context %q: %w", name, err)
	}
	var all map[string]any
	if json.Unmarshal(raw, &all) != nil || json.Unmarshal(raw, &c) != nil {
		return c, fmt.Errorf("context %q: %s is not a nats CLI context", name, path) // the JSON error may quote a password
	}
	known := map[string]any{}
	if raw, err = json.Marshal(c); err == nil {
		err = json.Unmarshal(raw, &known)
	}
	if err != nil {
		return c, fmt.Errorf("context %q: %w", name, err)
	}
	for field, value := range all {
		if _, ok := known[field]; !ok && value != nil && value != "" && value != false {
			return c, fmt.Errorf("context %q: %q is not supported: use flags instead", name, field)
		}
	}
	return c, nil
}

// contextDir returns the nats command line's folder of contexts, the same on every system.
func contextDir() (string, error) {
	config := os.Getenv("XDG_CONFIG_HOME")
	if config == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "nats", "context"), nil
}

// fill sets the options that are empty. It takes credentials from the context only if
// the options have none.
func (c natsContext) fill(o *Options) {
	if len(o.URLs) == 0 {
		o.URLs = strings.Split(cmp.Or(c.URL, nats.DefaultURL), ",")
		for i := range o.URLs {
			o.URLs[i] = strings.TrimSpace(o.URLs[i])
		}
	}
	if o.CredsFile == "" && o.NKeyFile == "" && o.User == "" && o.Token == "" {
		switch { // in the order in which the nats command line looks
		case c.User != "":
			o.User, o.Password = c.User, c.Password
		case c.Creds != "":
			o.CredsFile = fromHome(c.Creds)
		case c.NKey != "":
			o.NKeyFile = fromHome(c.NKey)
		default:
			o.Token = c.Token
		}
	}
	o.CAFile = cmp.Or(o.CAFile, fromHome(c.CA))
	if o.CertFile == "" && o.KeyFile == "" {
		o.CertFile, o.KeyFile = fromHome(c.Cert), fromHome(c.Key)
	}
}

func (c natsContext) options() []nats.Option {
	var options []nats.Option
	if c.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	if c.TLSFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	return options
}

// fromHome expands ~/ as the nats command line does.
func fromHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
