package textfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

func TestDecode(t *testing.T) {
	for name, test := range map[string]struct{ in, want, wrong string }{
		"plain":              {"a: ä\n", "a: ä\n", ""},
		"byte order mark":    {"\xef\xbb\xbfa: 1\n", "a: 1\n", ""},
		"mark in the middle": {"a\n\xef\xbb\xbfb", "a\n\xef\xbb\xbfb", ""},
		"empty":              {"", "", ""},
		"Latin-1":            {"a: 1\nbä: M\xfcller\n", "", "line 2, column 6: invalid UTF-8 byte 0xfc"},
		"after a mark":       {"\xef\xbb\xbf\xff", "", "line 1, column 1: invalid UTF-8 byte 0xff"},
		"a real U+FFFD":      {"\ufffd", "\ufffd", ""},
		"UTF-16":             {"\xff\xfea\x00", "", "UTF-16"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := textfile.Decode([]byte(test.in))
			if string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (err != nil) != (test.wrong != "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("error %v, want %q", err, test.wrong)
			}
		})
	}
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("\xef\xbb\xbf12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if got, err := textfile.Read(ctx, file, nil, 8); err != nil || string(got) != "12345" {
		t.Errorf("file: %q, %v", got, err)
	}
	if got, err := textfile.ReadBytes(ctx, file, nil, 8); err != nil || len(got) != 8 {
		t.Errorf("bytes: %q, %v", got, err)
	}
	if _, err := textfile.Read(ctx, file, nil, 7); err == nil || !strings.Contains(err.Error(), "larger than 7 bytes") {
		t.Errorf("too large: %v", err)
	}
	if got, err := textfile.Read(ctx, "-", strings.NewReader("in"), 8); err != nil || string(got) != "in" {
		t.Errorf("stdin: %q, %v", got, err)
	}
	if _, err := textfile.Read(ctx, "-", nil, 8); err == nil {
		t.Error("no stdin is no error")
	}
	if _, err := textfile.Read(ctx, file+"y", nil, 8); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	silent, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	cancel()
	if _, err := textfile.Read(ctx, "-", silent, 8); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
