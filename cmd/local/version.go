package local

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func buildVersion() versionInfo {
	v := versionInfo{Version: cli.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// NewVersionCmd returns the version command.
func NewVersionCmd(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Annotations: cli.PrintsResult(),
		Short:       "Show the version",
		Long:        "Show the version of mender-webhooks, its commit and the Go version.",
		Example:     "  mender-webhooks version\n  mender-webhooks version -o json --jq .version",
		Args:        cli.Args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			p, err := a.Printer()
			if err != nil {
				return err
			}
			v := buildVersion()
			return p.Print(output.View{
				Value: v,
				Fields: cli.Details([][2]string{
					{"Version", v.Version}, {"Commit", v.Commit}, {"Date", v.Date}, {"Go", v.Go}, {"Platform", v.Platform},
				}),
				Names: []string{v.Version},
			})
		},
	}
}
