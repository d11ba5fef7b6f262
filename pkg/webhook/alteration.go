package webhook

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"
)

// Alteration names a change to a body on its way from Mender to a saved file.
type Alteration string

// The alterations that FindAlteration recognizes.
const (
	NewlineAdded   Alteration = "newline-added"
	NewlineRemoved Alteration = "newline-removed"
	LineEndings    Alteration = "line-endings"    // CRLF instead of LF, or vice versa
	ByteOrderMark  Alteration = "byte-order-mark" // a UTF-8 BOM was added
	Compressed     Alteration = "gzip"
	WrongCharset   Alteration = "wrong-charset" // UTF-8 was read as Latin-1, or converted to it
	JSONReencoded  Alteration = "json-re-encoded"
)

// Fix returns a hint that tells the user how to undo the alteration.
func (a Alteration) Fix() string {
	switch a {
	case NewlineAdded:
		return "remove the newline at the end, which an editor or echo added: without it, the signature is valid"
	case NewlineRemoved:
		return "restore the newline at the end, which was removed in transit: with it, the signature is valid"
	case LineEndings:
		return "transfer the body in binary mode: with the original line endings, the signature is valid"
	case ByteOrderMark:
		return "remove the byte order mark at the beginning, which an editor added: without it, the signature is valid"
	case Compressed:
		return "decompress the body first: it was compressed in transit; decompressed, the signature is valid"
	case WrongCharset:
		return "read the body as bytes, not as text: UTF-8 was decoded as Latin-1; with the original bytes, the signature is valid"
	case JSONReencoded:
		return "verify the raw bytes before decoding them: the JSON was decoded and encoded again; in Mender's own encoding, the signature is valid"
	}
	return ""
}

// FindAlteration returns the alteration that explains an invalid signature. It
// undoes one alteration after the other until the signature is valid, and returns
// "" if none explains it.
func FindAlteration(header http.Header, body []byte, secrets ...Secret) Alteration {
	for _, undo := range []struct {
		alteration Alteration
		bodies     func([]byte) [][]byte
	}{
		{NewlineAdded, func(b []byte) [][]byte {
			return [][]byte{bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")), bytes.TrimRight(b, "\r\n")}
		}},
		{NewlineRemoved, func(b []byte) [][]byte { return [][]byte{join(b, "\n"), join(b, "\r\n")} }},
		{LineEndings, func(b []byte) [][]byte {
			lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
			return [][]byte{lf, bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))}
		}},
		{ByteOrderMark, func(b []byte) [][]byte { return [][]byte{bytes.TrimPrefix(b, []byte("\ufeff"))} }},
		{Compressed, decompressed},
		{WrongCharset, func(b []byte) [][]byte { return [][]byte{latin1Bytes(b), latin1Text(b)} }},
		{JSONReencoded, asMenderEncodes},
	} {
		for _, before := range undo.bodies(body) {
			if before != nil && !bytes.Equal(before, body) && Verify(header, before, secrets...).Verdict == Valid {
				return undo.alteration
			}
		}
	}
	return ""
}

func join(b []byte, end string) []byte { return append(bytes.Clone(b), end...) }

func decompressed(b []byte) [][]byte {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxBody))
	if err != nil {
		return nil
	}
	return [][]byte{plain}
}

// latin1Bytes restores UTF-8 that was read as Latin-1: it turns each character
// back into a byte. It returns nil if a character is not in Latin-1.
func latin1Bytes(b []byte) []byte {
	if !utf8.Valid(b) {
		return nil
	}
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r > 0xff {
			return nil
		}
		out = append(out, byte(r))
	}
	return out
}

// latin1Text restores UTF-8 that was converted to Latin-1.
func latin1Text(b []byte) []byte {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// asMenderEncodes returns the ways in which Mender could have encoded the body:
// with the fields in Mender's order, without white space, or with the data decoded
// and encoded again.
func asMenderEncodes(b []byte) [][]byte {
	e, err := ParseEvent(bytes.TrimPrefix(b, []byte("\ufeff")))
	if err != nil {
		return nil
	}
	var out [][]byte
	if body, err := json.Marshal(e); err == nil {
		out = append(out, body)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b) == nil {
		out = append(out, compact.Bytes())
	}
	var data any
	if json.Unmarshal(e.Data, &data) == nil {
		if e.Data, err = json.Marshal(data); err == nil {
			if body, err := json.Marshal(e); err == nil {
				out = append(out, body)
			}
		}
	}
	return out
}
