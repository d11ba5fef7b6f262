package webhook

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Message is a delivery as an HTTP/1.1 request in a file: the request line, the
// headers, an empty line, and the body, byte for byte.
type Message struct {
	// Path is the request's target, such as "/mender?x=1".
	Path   string
	Header http.Header
	Body   []byte
}

// NewMessage returns a request as a Message. It consumes the request's body.
func NewMessage(req *http.Request) (Message, error) {
	m := Message{Path: req.URL.RequestURI(), Header: req.Header.Clone()}
	m.Header.Set("Host", req.URL.Host)
	var err error
	m.Body, err = io.ReadAll(req.Body)
	return m, err
}

// Bytes returns the message as it is sent over the network. The headers are in
// alphabetical order and include the computed Content-Length.
func (m Message) Bytes() []byte {
	var b bytes.Buffer
	path := m.Path
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\n", path)
	header := m.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Del("Transfer-Encoding")
	header.Set("Content-Length", fmt.Sprint(len(m.Body)))
	_ = header.Write(&b) // writing to a Buffer never fails
	b.WriteString("\r\n")
	b.Write(m.Body)
	return b.Bytes()
}

// errNoMessage is the error for text that is not an HTTP message.
var errNoMessage = errors.New("not an HTTP request: it must begin with a line such as \"POST / HTTP/1.1\"")

// IsMessage reports whether data looks like a Message rather than a body.
func IsMessage(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	words := strings.Fields(string(line))
	return len(words) == 3 && strings.HasPrefix(words[2], "HTTP/1.") && strings.ToUpper(words[0]) == words[0]
}

// ParseMessage parses a Message. Lines may end with only LF, since editors convert
// line endings. The body is everything after the empty line, whatever
// Content-Length says, so that an altered body can be recognized.
func ParseMessage(data []byte) (Message, error) {
	if !IsMessage(data) {
		return Message{}, errNoMessage
	}
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	words := strings.Fields(string(line))
	if words[0] != http.MethodPost {
		return Message{}, fmt.Errorf("invalid method %s: must be POST", words[0])
	}
	if !strings.HasPrefix(words[1], "/") {
		return Message{}, fmt.Errorf("invalid request target %q: must begin with /", words[1])
	}
	head, body, err := cutHead(rest)
	if err != nil {
		return Message{}, err
	}
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head))).ReadMIMEHeader()
	if err != nil {
		return Message{}, fmt.Errorf("the headers of the HTTP request: %w", err)
	}
	return Message{Path: words[1], Header: http.Header(header), Body: slices.Clone(body)}, nil
}

// cutHead separates the headers, including the empty line after them, from the
// body.
func cutHead(data []byte) (head string, body []byte, err error) {
	for at := 0; ; {
		line, rest, found := bytes.Cut(data[at:], []byte("\n"))
		if !found {
			return "", nil, errors.New("the HTTP request has no empty line after its headers")
		}
		if at = len(data) - len(rest); len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return string(data[:at]), rest, nil
		}
	}
}
