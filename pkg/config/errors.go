package config

import (
	"fmt"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/suggest"
)

// usagef is an error in what the user gave, with a hint or "". It supports %w.
func usagef(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// unusable is a usage error that says what could not be used, and why.
func unusable(what string, err error) error { return usagef("", "%s: %w", what, err) }

// didYouMean is the end of a message about a misspelt name.
func didYouMean(misspelt string, names []string) string {
	if near := suggest.Name(misspelt, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
