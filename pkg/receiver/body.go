package receiver

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// Bodies of up to smallBody bytes are always read: Mender's have a few hundred.
// Larger ones share largeBodies bytes, so that many large bodies can neither
// exhaust the memory nor keep ordinary events out.
const (
	smallBody   = 16 << 10
	largeBodies = 64 << 20
)

// budget is an amount of memory that requests share, in bytes.
type budget struct{ free atomic.Int64 }

func (b *budget) take(n int) bool {
	if b.free.Add(-int64(n)) >= 0 {
		return true
	}
	b.free.Add(int64(n))
	return false
}

func (b *budget) give(n *int) {
	if *n > 0 {
		b.free.Add(int64(*n))
	}
}

// read reads the body of a request whose declared length is within the limit.
// held is how much of the budget the body uses; the caller must give it back.
func (rc *Receiver) read(r *http.Request, req *Request) (answer Answer, held int, ok bool) {
	body, held, err := rc.readAll(r.Body, r.ContentLength)
	req.Body = body
	switch {
	case err == nil:
		return Answer{}, held, true
	case errors.Is(err, errTooLarge):
		answer = refuse(req, http.StatusRequestEntityTooLarge, bodyTooLarge)
	case errors.Is(err, errTooBusy):
		answer = refuse(req, http.StatusServiceUnavailable, tooBusy)
	case errors.Is(err, os.ErrDeadlineExceeded):
		answer = refuse(req, http.StatusRequestTimeout, bodyTooSlow)
	default:
		answer = refuse(req, http.StatusBadRequest, bodyBroken)
	}
	return hangUp(answer), held, false
}

var (
	errTooLarge = errors.New("the body exceeds the limit")
	errTooBusy  = errors.New("too many large bodies at once")
)

// readAll reads a body of the declared length, or of unknown length (-1). Its
// buffer grows with the bytes received, not with the declared length.
func (rc *Receiver) readAll(r io.Reader, length int64) (body []byte, held int, err error) {
	most := rc.o.MaxBody + 1
	first := int64(512)
	if length >= 0 {
		most, first = length, smallBody
	}
	body = make([]byte, 0, min(first, most))
	for int64(len(body)) < most {
		if len(body) == cap(body) {
			size := int(min(int64(2*cap(body)), most))
			if size > smallBody {
				if !rc.large.take(size) {
					return body, held, errTooBusy
				}
				held += size
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF) && (length < 0 || int64(len(body)) == length):
			return rc.checkSize(body, held)
		case err != nil:
			return body, held, err
		}
	}
	return rc.checkSize(body, held)
}

func (rc *Receiver) checkSize(body []byte, held int) ([]byte, int, error) {
	if int64(len(body)) > rc.o.MaxBody {
		return body, held, errTooLarge
	}
	return body, held, nil
}
