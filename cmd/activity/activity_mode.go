package activity

import (
	"slices"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
)

// activityModes are what `activity` can do, by the flag that asks for it, and
// the flags that go with each. The others go with all of them, but for an
// event's id, which stands alone.
func activityModes() map[string][]string {
	return map[string][]string{
		"":         {"until", "limit", "all"},
		"follow":   {"limit", "all", "interval", "resume", "forward-to", "forward-secret-file"},
		"wait-for": {"timeout", "interval"},
		"stats":    {"until"},
	}
}

// checkMode refuses flags that would do nothing.
func (o activityOptions) checkMode(given func(string) bool, args []string) error {
	mode := ""
	for _, m := range []string{"follow", "wait-for", "stats"} {
		switch {
		case !given(m):
		case mode != "":
			return cli.Usagef("--%s does not go together with --%s", m, mode)
		default:
			mode = m
		}
	}
	all := activityModes()
	for _, flag := range []string{"until", "limit", "all", "interval", "resume", "forward-to", "forward-secret-file", "timeout"} {
		if !given(flag) || slices.Contains(all[mode], flag) {
			continue
		}
		if mode != "" {
			return cli.Usagef("--%s does not go together with --%s", flag, mode)
		}
		for _, m := range []string{"follow", "wait-for"} {
			if slices.Contains(all[m], flag) {
				return cli.Hinted(cli.Usagef("--%s needs --%s", flag, m), "see `mender-webhooks activity --help`")
			}
		}
	}
	if len(args) == 0 {
		return nil
	}
	for _, flag := range []string{"follow", "wait-for", "stats", "since", "until", "type", "device", "failed", "integration", "limit", "all"} {
		if given(flag) {
			return cli.Usagef("--%s does not go together with an event's id", flag)
		}
	}
	return nil
}
