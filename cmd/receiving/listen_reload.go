package receiving

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/listenfile"
)

// version is a version of the file, or the reason why it cannot be used.
type version struct {
	file *listenfile.File
	err  error
}

// follow applies the file of -f again on SIGHUP and, with --watch, whenever it changes. The
// returned function waits until it has ended after ctx was done. Without -f, it does
// nothing.
func (l *listening) follow(ctx context.Context, ls *listener.Listener) (wait func()) {
	if l.file == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		changes := l.watchFile(ctx)
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.app.Hangups:
				file, err := l.file.read(ctx)
				l.apply(ctx, ls, version{file, err}, true)
			case v := <-changes:
				l.apply(ctx, ls, v, false)
			}
		}
	}()
	return func() { <-done }
}

// watchFile returns the versions of the file until ctx is done, beginning with the one that
// is there now. Without --watch, there are none.
func (l *listening) watchFile(ctx context.Context) <-chan version {
	if !l.options.watch {
		return nil
	}
	changes := make(chan version)
	go func() {
		err := listenfile.Watch(ctx, l.file.path, l.file.options, func(f *listenfile.File, err error) {
			select {
			case changes <- version{f, err}:
			case <-ctx.Done():
			}
		})
		if err != nil {
			l.app.Warn("--watch: %v; send SIGHUP to apply a changed file", err)
		}
	}()
	return changes
}

// apply makes a version of the file the current one. If it cannot be used, nothing
// changes. asked says that the user asked for it, and wants to know also if nothing has
// changed.
func (l *listening) apply(ctx context.Context, ls *listener.Listener, v version, asked bool) {
	err := v.err
	if err == nil {
		err = cmp.Or(l.options.checkFile(v.file), l.file.checkKind(v.file))
	}
	changed := ""
	if err == nil {
		if changed = describeChange(v.file, l.file.version()); changed == "" {
			if asked {
				l.app.Say("%s is applied: nothing has changed", l.file.path)
			}
			return
		}
		err = l.replace(ctx, ls, v.file)
	}
	switch {
	case ctx.Err() != nil: // listen ends
	case err != nil:
		l.app.Warn("%s is not applied, and the previous version stays in use: %v", l.file.path, err)
	default:
		l.app.Say("%s is applied: %s", l.file.path, changed)
	}
}

// checkKind returns an error if one of two versions of the file has endpoints, and the other
// one uses the secret of the command line.
func (f *listenFile) checkKind(next *listenfile.File) error {
	switch has := len(next.Endpoints) > 0; {
	case has && !f.hasEndpoints():
		return errors.New("it has endpoints now: restart listen without a secret on the command line")
	case !has && f.hasEndpoints():
		return errors.New("it has no endpoints any more: restart listen with a secret on the command line")
	}
	return nil
}

// replace makes the endpoints of a file the current ones of the listener.
func (l *listening) replace(ctx context.Context, ls *listener.Listener, f *listenfile.File) error {
	endpoints, err := l.endpoints(f)
	if err != nil {
		return err
	}
	if err := ls.Apply(ctx, endpoints); err != nil {
		return err
	}
	l.file.current.Store(f)
	return nil
}

// describeChange says what differs between two versions of the file; "" means nothing.
func describeChange(now, old *listenfile.File) string {
	endpoints, routes := now.Since(old)
	var parts []string
	add := func(what, noun string, names []string) {
		if len(names) > 1 {
			noun += "s"
		}
		if len(names) > 0 {
			parts = append(parts, what+" "+noun+" "+strings.Join(names, ", "))
		}
	}
	for _, d := range []struct {
		noun string
		listenfile.Difference
	}{{"endpoint", endpoints}, {"route", routes}} {
		add("added", d.noun, d.Added)
		add("changed", d.noun, d.Changed)
		add("removed", d.noun, d.Removed)
	}
	return strings.Join(parts, "; ")
}
