package listener

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The limits of a Saver.
const (
	maxSaved      = 1000      // files
	maxSavedBytes = 256 << 20 // of all files together
)

// Saver writes each request to its own file, as an HTTP message for `verify` and
// `trigger --request`. It keeps the last maxSaved requests, up to maxSavedBytes
// in total, and removes older ones. It never writes outside its directory,
// follows links, or changes a file that it did not create. It is not safe for
// concurrent use.
type Saver struct {
	root    *os.Root
	written []savedFile
	bytes   int64
	number  int
}

type savedFile struct {
	name string
	size int64
}

// NewSaver returns a Saver for the directory. If the directory does not exist,
// NewSaver creates it with mode 0700.
func NewSaver(dir string) (*Saver, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Saver{root: root}, nil
}

// Save writes a request and returns the name of its file in the directory. The
// name consists of the time, a number and, if the signature is valid and the
// event's id is a UUID, that id. Pass only requests from a Subscription, since
// their credentials are masked.
func (s *Saver) Save(r Received) (name string, err error) {
	header := r.Header.Clone()
	message := webhook.Message{Path: r.Path, Header: header, Body: r.Body}.Bytes()
	at := r.ReceivedAt.UTC().Format("20060102T150405")
	id := ""
	if r.Verification.Verdict == webhook.Valid {
		if known, err := uuid.Parse(r.ID); err == nil && len(r.ID) == 36 {
			id = "-" + strings.ToLower(known.String())
		}
	}
	for {
		s.number++
		name = fmt.Sprintf("%s-%d%s.http", at, s.number, id)
		f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue // an earlier run wrote a file of this name in the same second
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(message)
		if err = errors.Join(err, f.Close()); err != nil {
			_ = s.root.Remove(name) // an incomplete request is of no use
			return "", err
		}
		s.written = append(s.written, savedFile{name, int64(len(message))})
		s.bytes += int64(len(message))
		return name, s.prune()
	}
}

// prune removes the oldest files beyond the limits.
func (s *Saver) prune() error {
	for len(s.written) > maxSaved || s.bytes > maxSavedBytes {
		oldest := s.written[0]
		if err := s.root.Remove(oldest.name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		s.written, s.bytes = s.written[1:], s.bytes-oldest.size
	}
	return nil
}

// Close closes the directory.
func (s *Saver) Close() error { return s.root.Close() }
