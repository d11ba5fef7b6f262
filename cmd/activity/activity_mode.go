package activity

import "github.com/mender-webhooks/mender-webhooks/cmd/cli"

// activityRules returns the rules for the flags in each mode of the command: a
// list, --follow, --wait-for, --stats, or one event.
func activityRules() cli.Rules {
	return cli.Rules{
		Against: map[string][]string{
			"limit":        {"all", "wait-for", "stats"},
			"all":          {"wait-for", "stats"},
			"stats":        {"follow", "wait-for"},
			"until":        {"follow", "wait-for"},
			"wait-for":     {"follow"},
			"all-profiles": {"integration"},
			"interactive":  {"output", "jq", "no-headers", "verbose"},
			"EVENT-ID": {
				"follow", "wait-for", "stats", "since", "until", "type", "device", "failed", "integration", "limit", "all",
			},
		},
		Needs: map[string][]string{
			"interval":            {"follow", "wait-for"},
			"resume":              {"follow"},
			"interactive":         {"follow"},
			"all-profiles":        {"stats"},
			"verbose":             {"follow"},
			"forward-to":          {"follow"},
			"forward-secret-file": {"forward-to"},
			"timeout":             {"wait-for"},
		},
	}
}
