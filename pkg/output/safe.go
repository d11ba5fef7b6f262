package output

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
)

// Safe makes text harmless for a terminal and keeps it on one line: control
// characters, the escape character among them, bidirectional overrides,
// invisible characters and line separators are shown as \x1b, \u202e, \n.
// Bytes that are not UTF-8 are shown as \xff. All other text, backslashes
// included, stays as it is.
func Safe(s string) string { return printable.Escape(s, "") }

// SafeMultiline is Safe for text that may have several lines: newlines and
// tabs stay.
func SafeMultiline(s string) string { return printable.Escape(s, "\n\t") }

// MaskURL hides what may be secret in a URL: the password of its user (or a
// user name without one, which may be a token), and the values of query
// parameters called token, key, secret, signature or the like. The text need
// not be a valid URL.
func MaskURL(text string) string { return redact.URLs(text) }

// MaskText is MaskURL for every URL inside a longer text, such as
//
//	Post "https://user:password@host/hook?token=abc": EOF
func MaskText(text string) string { return redact.URLs(text) }
