package receiving

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"sync/atomic"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// listenFile is the file of -f.
type listenFile struct {
	path    string
	options listenfile.Options
	current atomic.Pointer[listenfile.File] // the version that the listener uses
}

// openFile reads the file of -f, and checks that no flag contradicts it. It returns nil
// without -f.
func (l *listening) openFile(ctx context.Context, addrs []net.Addr) (*listenFile, error) {
	o := &l.options
	if o.relay.file == "" {
		return nil, nil //nolint:nilnil // nil means that there is no file
	}
	f := &listenFile{path: o.relay.file, options: listenfile.Options{
		LookupEnv: l.app.Env, CheckProfile: l.app.CheckProfile, Cluster: o.relay.nats.Given(),
		CheckURL: func(u *url.URL) error { return checkURLLoop(addrs, u) },
	}}
	first, err := f.read(ctx)
	if err != nil {
		return nil, l.explainFile(ctx, err)
	}
	f.current.Store(first)
	return f, o.checkFile(first)
}

// hasEndpoints reports whether the file has endpoints. A nil file has none.
func (f *listenFile) hasEndpoints() bool { return f != nil && len(f.current.Load().Endpoints) > 0 }

// version returns the version that the listener uses, or nil without a file.
func (f *listenFile) version() *listenfile.File {
	if f == nil {
		return nil
	}
	return f.current.Load()
}

// profileOf returns the profile of an endpoint; "" is that of the command line. Of several
// endpoints, each must have one, since they may be for different organizations.
func (f *listenFile) profileOf(endpoint string) (string, error) {
	if !f.hasEndpoints() {
		return "", nil
	}
	all := f.version().Endpoints
	for _, e := range all {
		if e.Name == endpoint && (e.Profile != "" || len(all) == 1) {
			return e.Profile, nil
		}
	}
	return "", cli.Usagef("endpoint %s of %s has no profile: Mender's log requires one, since there are several endpoints", endpoint, f.path)
}

// read reads the file.
func (f *listenFile) read(ctx context.Context) (*listenfile.File, error) {
	return listenfile.Read(ctx, f.path, f.options)
}

// explainFile returns a usage error for a file that cannot be read.
func (l *listening) explainFile(ctx context.Context, err error) error {
	var wrong *yamlfile.Error
	var path *fs.PathError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &wrong):
		return l.app.FileFailure("nothing was started", wrong)
	case errors.As(err, &path):
		return cli.Usagef("cannot read %s: %w", path.Path, path.Err)
	}
	return cli.Usagef("%w", err)
}

// checkFile returns a usage error if flags contradict the endpoints of a file.
func (o *listenOptions) checkFile(f *listenfile.File) error {
	if len(f.Endpoints) > 0 {
		for _, name := range []string{"path", "secret", "secret-file", "allow-unchecked", "subject-prefix"} {
			if o.secrets.Flags.Changed(name) {
				return cli.Hinted(cli.Usagef("--%s cannot be combined with the endpoints of %s", name, f.Name),
					"leave out --%s: each endpoint of the file has its own path, secret and subject prefix", name)
			}
		}
	}
	if (o.relay.recover || o.relay.reconcile > 0) && len(f.Endpoints) > 1 {
		for _, e := range f.Endpoints {
			if e.Profile == "" {
				return cli.Hinted(cli.Usagef("endpoint %s of %s has no profile: --recover and --reconcile require one, since there are several endpoints", e.Name, f.Name),
					"add profile: NAME to the endpoint")
			}
		}
	}
	return nil
}
