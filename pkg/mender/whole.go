package mender

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
)

// wholeBodies is a RoundTripper that reads each answer at once, into a buffer of
// the right size, and stores it in the call. resty reads 512 bytes at a time,
// which costs more than everything else if the log is long. An answer that ends
// early is an error, like a broken connection.
type wholeBodies struct {
	next http.RoundTripper
	most int          // the largest answer that is read, in bytes
	last atomic.Int64 // the size of the last answer, which the next one resembles
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

// withBody sets the body that wholeBodies has read as the body of resty's
// response.
func withBody(_ *resty.Client, resp *resty.Response) error {
	resp.SetBody(callOf(resp.Request.Context()).answer)
	return nil
}
