package config

import (
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// usagef returns a usage error with a hint, unless hint is "". It supports %w.
func usagef(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// unusable returns a usage error that wraps its cause.
func unusable(what string, err error) error { return usagef("", "%s: %w", what, err) }

// didYouMean returns a suggestion to append to a message about a misspelled name, or ""
// if no name is similar.
func didYouMean(misspelt string, names []string) string {
	if near := suggest.Name(misspelt, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
