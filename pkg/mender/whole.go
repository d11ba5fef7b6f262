package mender

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
)

// wholeBodies reads each answer to its end, into memory of the right size, and
// keeps it in the call: resty would read it 512 bytes at a time, which costs
// more than all else where the log is long. An answer that breaks off is an
// error like a connection that does.
type wholeBodies struct {
	next http.RoundTripper
	most int          // how much is read at most, in bytes
	last atomic.Int64 // the size of the last answer: the next one is like it
}

func (w *wholeBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := w.read(resp)
	if err != nil {
		return nil, err
	}
	callOf(req.Context()).answer = body
	resp.Body, resp.ContentLength = http.NoBody, int64(len(body))
	return resp, nil
}

func (w *wholeBodies) read(resp *http.Response) ([]byte, error) {
	size := resp.ContentLength
	if size < 0 {
		size = w.last.Load()
		size += size / 16
	}
	if size > int64(w.most) {
		return nil, resty.ErrResponseBodyTooLarge
	}
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, int64(w.most)+1)); err != nil {
		return nil, err
	}
	if b.Len() > w.most {
		return nil, resty.ErrResponseBodyTooLarge
	}
	w.last.Store(int64(b.Len()))
	return b.Bytes(), nil
}

// withBody puts the answer where resty has it.
func withBody(_ *resty.Client, resp *resty.Response) error {
	resp.SetBody(callOf(resp.Request.Context()).answer)
	return nil
}
