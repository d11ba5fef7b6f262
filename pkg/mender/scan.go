package mender

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// scan walks over JSON that is known to be valid, without looking at a byte
// more often than it has to.
type scan struct {
	text []byte
	at   int
	// plain says that the strings of text stand for themselves, as they mostly
	// do: looked at once, and not for each of them.
	plain bool
}

// isPlain reports whether all strings of a JSON text stand for themselves: none
// has an escape, or bytes that encoding/json would put right.
func isPlain(text []byte) bool { return bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) }

// space goes to the next byte that means something.
func (s *scan) space() {
	for s.text[s.at] <= ' ' {
		s.at++
	}
}

// next reports whether there is another element of the array, or another
// member of the object, whose opening bracket or last element is behind; if
// not, it goes past the closing bracket.
func (s *scan) next() bool {
	s.space()
	switch s.text[s.at] {
	case ',':
		s.at++
		s.space()
	case ']', '}':
		s.at++
		return false
	}
	return true
}

// key returns the name of a member and goes to its value.
func (s *scan) key() []byte {
	name := s.value()
	s.space()
	s.at++ // the colon
	s.space()
	if s.plain || isPlain(name) {
		return name[1 : len(name)-1]
	}
	return []byte(s.unquote(name))
}

// value goes past a value and returns it.
func (s *scan) value() []byte {
	from := s.at
	switch s.text[s.at] {
	case '"':
		s.quoted()
	case '{', '[':
		s.bracketed()
	default:
		for s.at < len(s.text) && s.text[s.at] > ' ' && s.text[s.at] != ',' && s.text[s.at] != ']' && s.text[s.at] != '}' {
			s.at++
		}
	}
	return s.text[from:s.at:s.at]
}

// quoted goes past a string.
func (s *scan) quoted() {
	for from := s.at + 1; ; {
		end := from + bytes.IndexByte(s.text[from:], '"')
		slashes := 0
		for s.text[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.at = end + 1
			return
		}
		from = end + 1
	}
}

// bracketed goes past an object or an array.
func (s *scan) bracketed() {
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if s.at++; depth == 0 {
			return
		}
	}
}

// unquote returns the text of a JSON string, and "" for any other value.
func (s *scan) unquote(value []byte) string {
	switch {
	case len(value) < 2 || value[0] != '"':
		return ""
	case s.plain || isPlain(value):
		return string(value[1 : len(value)-1])
	}
	var text string
	_ = json.Unmarshal(value, &text) // it is valid
	return text
}
