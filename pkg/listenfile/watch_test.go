package listenfile

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// TestWatch finds that each version of a file is reported: right, wrong, missing, and right
// again.
func TestWatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "listen.yaml")
	write := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	const version = "apiVersion: mender-webhooks/v1\n"
	write(version + "routes: []\n")
	ctx, cancel := context.WithCancel(context.Background())
	type result struct {
		file *File
		err  error
	}
	results, ended := make(chan result), make(chan error, 1)
	go func() {
		ended <- Watch(ctx, path, Options{LookupEnv: os.LookupEnv, CheckURL: func(*url.URL) error { return nil }}, func(f *File, err error) { results <- result{f, err} })
	}()
	next := func() result {
		t.Helper()
		select {
		case r := <-results:
			return r
		case <-time.After(30 * time.Second):
			t.Fatal("nothing is reported")
		}
		return result{}
	}
	if r := next(); r.err != nil || len(r.file.Routes) != 0 {
		t.Errorf("at first: %v", r)
	}
	write(version + "rutes: []\n")
	var wrong *yamlfile.Error
	if r := next(); !errors.As(r.err, &wrong) {
		t.Errorf("with a mistake: %v", r)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := next(); !errors.Is(r.err, fs.ErrNotExist) {
		t.Errorf("without the file: %v", r)
	}
	write(version + "routes: [{name: a, forward_to: localhost:1}]\n")
	if r := next(); r.err != nil || len(r.file.Routes) != 1 {
		t.Errorf("at last: %v", r)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch returned %v", err)
	}
}
