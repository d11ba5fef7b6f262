// Package textfile reads text from a file that the user names, or from stdin.
package textfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// Name returns the name of an input for messages: stdin for "-".
func Name(name string) string {
	if name == "-" {
		return "stdin"
	}
	return name
}

// Read reads a file, or stdin for "-", and returns its text as Decode does.
// More than limit bytes are an error. It returns ctx's error as soon as ctx
// ends, even while no one writes to the pipe that it reads. The error of a
// file that cannot be opened is a *fs.PathError.
func Read(ctx context.Context, name string, stdin io.Reader, limit int64) ([]byte, error) {
	raw, err := ReadBytes(ctx, name, stdin, limit)
	if err != nil {
		return nil, err
	}
	text, err := Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(name), err)
	}
	return text, nil
}

// ReadBytes is Read for input whose bytes must not change, such as a body
// whose signature is checked.
func ReadBytes(ctx context.Context, name string, stdin io.Reader, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // a blocked read outlives ctx, and ends with the process
		data, err := readAll(name, stdin, limit)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func readAll(name string, stdin io.Reader, limit int64) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	if in == nil {
		return nil, errors.New("there is no stdin")
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", Name(name), limit)
	}
	return data, err
}

// Decode returns text without the byte order mark that some editors write at
// its start. Text that is not UTF-8 is an error that names the line and the
// column, both counted from 1, the column in characters.
func Decode(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return nil, errors.New("the text is UTF-16: save it as UTF-8")
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if utf8.Valid(text) {
		return text, nil
	}
	line, column := 1, 1
	for rest := text; ; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, fmt.Errorf("line %d, column %d: invalid UTF-8 byte 0x%02x: save the file as UTF-8", line, column, rest[0])
		case r == '\n':
			line, column = line+1, 1
		default:
			column++
		}
		rest = rest[size:]
	}
}
