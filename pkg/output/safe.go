package output

import (
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
)

// Safe returns text that is harmless on a terminal and stays on one line. It
// escapes control characters, bidirectional overrides, invisible characters and
// line separators, as in \x1b, \u202e, \n, and bytes that are not UTF-8, as in
// \xff. Other text, including backslashes, is unchanged.
func Safe(s string) string { return printable.Escape(s, "") }

// SafeMultiline is like Safe, but does not escape newlines and tabs.
func SafeMultiline(s string) string { return printable.Escape(s, "\n\t") }

// MaskURL masks secrets in a URL: the password of its user (or a user name without
// a password, which may be a token), and the values of query parameters with names
// such as token, key, secret or signature. The text need not be a valid URL.
func MaskURL(text string) string { return redact.URLs(text) }

// MaskText masks secrets in every URL inside a text, such as
//
//	Post "https://user:password@host/hook?token=abc": EOF
func MaskText(text string) string { return redact.URLs(text) }
