package access

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// maxAPIBody is the size limit for bodies in Mender's API, in bytes.
const maxAPIBody = 1 << 20

// NewAPICmd returns the api command.
func NewAPICmd(a *cli.App) *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:         "api METHOD PATH",
		Annotations: cli.Prints(output.JSON, output.JSONL, output.YAML),
		Short:       "Call Mender's management API",
		Long: `Call Mender's management API with the server and the token in use, and print
the answer. Use it for calls that have no command of their own.

PATH is an absolute path on the server, with a query if needed. Redirects are
not followed, and only GET and HEAD are retried. An answer that is not JSON is
printed as it is. Use ` + "`mender-webhooks logout`" + ` to end a session.`,
		Example: `  mender-webhooks api GET /api/management/v1/useradm/users --jq '.[].email'
  mender-webhooks api GET '/api/management/v2/devauth/devices?status=pending&per_page=500'
  mender-webhooks api POST /api/management/v2/devauth/devices --input device.json`,
		Args: cli.Args(2, 2, "a method and a path"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return mender.RawMethods(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAPI(cmd.Context(), a, strings.ToUpper(args[0]), args[1], input)
		},
	}
	cmd.Flags().StringVar(&input, "input", "", "JSON `FILE` with the request's body; - for stdin")
	return cmd
}

func runAPI(ctx context.Context, a *cli.App, method, path, input string) error {
	p, err := a.PrinterOf(output.JSON, output.JSONL, output.YAML)
	if err != nil {
		return err
	}
	var body json.RawMessage
	if input != "" {
		if body, err = a.ReadText(ctx, input, maxAPIBody); err != nil {
			return cli.Usagef("--input: %w", err)
		}
		if !json.Valid(body) {
			return cli.Usagef("--input %s: not valid JSON", textfile.Name(input))
		}
	}
	client, _, err := a.Connect()
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := client.Raw(ctx, method, path, body)
	var failed *mender.Error
	if err != nil && !errors.As(err, &failed) {
		return cli.Usagef("%w", err)
	}
	return cli.Also(err, printAnswer(a, p, answer))
}

// printAnswer prints a JSON answer in the requested format and with the filter.
// It prints other text unchanged, except that it makes it safe for a terminal.
func printAnswer(a *cli.App, p *output.Printer, answer []byte) error {
	switch {
	case len(answer) == 0:
		return nil
	case json.Valid(answer):
		return p.Print(output.View{Value: json.RawMessage(answer)})
	}
	text := string(answer)
	if cli.IsTerminal(a.Out) {
		text = output.SafeMultiline(text)
	}
	_, err := a.Stdout().Write([]byte(text))
	return err
}
