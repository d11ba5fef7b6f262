package receiving

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

type verifyOptions struct {
	signature string
	headers   []string
	secrets   cli.SecretFlags
}

// NewVerifyCmd returns the verify command.
func NewVerifyCmd(a *cli.App) *cobra.Command {
	o := verifyOptions{}
	cmd := &cobra.Command{
		Use:         "verify [FILE]",
		Annotations: cli.PrintsResult(),
		Short:       "Verify the signature of a saved payload",
		Long: `Check the body of a delivery against its signature, and explain a mismatch.
FILE contains the exact bytes of the body, or a whole HTTP request as listen
--save and trigger --print write it; without FILE, or with -, verify reads
stdin.

If FILE contains only a body, pass the signature with --signature, or whole
header lines, as logs and curl show them, with --header. Without --secret-file
and MENDER_WEBHOOK_SECRET, verify tries the secrets stored on this machine for
the server. The exit code is 1 if the signature is not valid.`,
		Example: `  mender-webhooks verify body.json --signature c307cc8f… --secret-file hook.secret
  mender-webhooks verify body.json --header "X-Men-Signature: c307cc8f…" --secret-file old.secret --secret-file new.secret
  mender-webhooks verify 20261123T100000-1.http --secret-file hook.secret
  mender-webhooks verify -o json < body.json --signature c307cc8f… | jq -r .verdict`,
		Args: cli.Args(0, 1, "at most one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), a, o, cli.FirstOf(args))
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.signature, "signature", "", "the signature: the `HEX` digits of X-Men-Signature")
	f.StringArrayVar(&o.headers, "header", nil, "a header `LINE` of the delivery, as curl -v prints it (repeatable)")
	o.secrets.Register(f)
	return cmd
}

type verifyResult struct {
	Verdict webhook.Verdict `json:"verdict"`
	Reason  webhook.Reason  `json:"reason,omitempty"`
	Secret  string          `json:"secret,omitempty"`
	Bytes   int             `json:"bytes"`
}

func runVerify(ctx context.Context, a *cli.App, o verifyOptions, file string) error {
	p, err := a.Printer()
	if err != nil {
		return err
	}
	if file == "" {
		file = "-"
	}
	if file == "-" && o.secrets.FromStdin() {
		return cli.Usagef("stdin cannot be both the payload and the secret")
	}
	secrets, err := o.secrets.All(ctx, a)
	if err != nil {
		return err
	}
	if len(secrets) == 0 {
		return cli.Hinted(cli.Usagef("verify requires a secret"), "pass --secret-file FILE or set MENDER_WEBHOOK_SECRET; `mender-webhooks secret list` shows the secrets stored on this machine")
	}
	body, err := a.ReadBytes(ctx, file, maxMessage)
	if err != nil {
		return err
	}
	header, body, err := o.message(file, body)
	if err != nil {
		return err
	}
	v := webhook.Verify(header, body, secrets...)
	r := verifyResult{Verdict: v.Verdict, Reason: v.Reason, Secret: v.Secret, Bytes: len(body)}
	view := output.View{Value: r, Names: []string{string(r.Verdict)}, Fields: cli.Details([][2]string{
		{"Verdict", string(r.Verdict)}, {"Reason", string(r.Reason)}, {"Secret", r.Secret},
		{"Payload", cli.Plural(r.Bytes, "byte")},
	})}
	if err := p.Print(view); err != nil {
		return err
	}
	if v.Verdict == webhook.Valid {
		return nil
	}
	return cli.Hinted(cli.Failf(fault.Failed, "the signature of %s is not valid: %s", textfile.Name(file), v), "%s", webhook.Explain(v, header, body, secrets...))
}

// message returns the headers and the body of the delivery. A whole HTTP request
// contains both. Otherwise the file contains only the body, and the headers come
// from the flags.
func (o verifyOptions) message(file string, data []byte) (http.Header, []byte, error) {
	if !webhook.IsMessage(data) {
		header, err := o.header()
		return header, data, err
	}
	if o.signature != "" || len(o.headers) > 0 {
		return nil, nil, cli.Usagef("%s is a whole HTTP request: it cannot be combined with --signature or --header", textfile.Name(file))
	}
	m, err := webhook.ParseMessage(data)
	if err != nil {
		return nil, nil, cli.Usagef("%s: %w", textfile.Name(file), err)
	}
	return m.Header, m.Body, nil
}

// header returns the headers of the delivery from the flags, including the signature.
func (o verifyOptions) header() (http.Header, error) {
	header, err := webhook.ParseHeader(o.headers)
	if err != nil {
		return nil, cli.Usagef("--header %w", err)
	}
	if o.signature != "" {
		header.Set(webhook.HeaderSignature, strings.TrimSpace(o.signature))
	}
	if header.Get(webhook.HeaderSignature) == "" && header.Get(webhook.HeaderSignaturePayload) == "" {
		return nil, cli.Hinted(cli.Usagef("verify requires a signature"), "pass the value of X-Men-Signature with --signature, or the header line with --header")
	}
	return header, nil
}
