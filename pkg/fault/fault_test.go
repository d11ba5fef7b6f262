package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

func TestKindAndHintSurviveWrapping(t *testing.T) {
	conflict := fault.WithHint(fault.New(fault.Conflict, "it exists"), "delete it")
	for name, test := range map[string]struct {
		err  error
		kind fault.Kind
		hint string
	}{
		"nil":            {nil, fault.Unspecified, ""},
		"plain":          {errors.New("x"), fault.Unspecified, ""},
		"itself":         {conflict, fault.Conflict, "delete it"},
		"wrapped":        {fmt.Errorf("create: %w", conflict), fault.Conflict, "delete it"},
		"joined":         {errors.Join(errors.New("x"), fault.WithHint(errors.New("y"), ""), conflict), fault.Conflict, "delete it"},
		"outermost kind": {fault.New(fault.Usage, "bad: %w", conflict), fault.Usage, "delete it"},
		"outermost hint": {fault.WithHint(conflict, "look %s", "first"), fault.Conflict, "look first"},
		"cancelled":      {fmt.Errorf("get: %w", context.Canceled), fault.Interrupted, ""},
		"no error":       {fault.WithHint(nil, "x"), fault.Unspecified, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault.KindOf(test.err); got != test.kind {
				t.Errorf("KindOf = %v, want %v", got, test.kind)
			}
			if got := fault.HintOf(test.err); got != test.hint {
				t.Errorf("HintOf = %q, want %q", got, test.hint)
			}
		})
	}
}
