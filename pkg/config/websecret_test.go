package config

import (
	"errors"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	hexA = "00112233445566778899aabbccddeeff"
	hexB = "ffeeddccbbaa99887766554433221100"
)

func TestResolveSecret(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		env    map[string]string
		want   string // hexadecimal
		source Source
		file   string
		err    string
		is     error
	}{
		"none":              {source: SourceNone},
		"flag":              {args: []string{"--secret", hexA}, env: map[string]string{EnvWebhookSecret: hexB}, want: hexA, source: SourceFlag},
		"file":              {args: []string{"--secret-file", "HOME/one"}, want: hexA, source: SourceFlag, file: "HOME/one"},
		"stdin":             {args: []string{"--secret-file", "-"}, want: hexB, source: SourceFlag},
		"environment":       {env: map[string]string{EnvWebhookSecret: hexB + "\n"}, want: hexB, source: SourceEnvironment},
		"not generated":     {args: []string{"--generate-secret=false"}, source: SourceNone},
		"flag, empty env":   {args: []string{"--secret", hexA}, env: map[string]string{EnvWebhookSecret: ""}, want: hexA, source: SourceFlag},
		"empty environment": {env: map[string]string{EnvWebhookSecret: ""}, err: "MENDER_WEBHOOK_SECRET is set but empty"},
		"blank environment": {env: map[string]string{EnvWebhookSecret: "\n"}, err: "MENDER_WEBHOOK_SECRET is set but empty"},
		"empty flag":        {args: []string{"--secret", ""}, err: "--secret", is: webhook.ErrSecretEmpty},
		"odd":               {args: []string{"--secret", hexA + "0"}, err: "--secret", is: webhook.ErrSecretOdd},
		"not hexadecimal":   {args: []string{"--secret", "hunter2" + hexA + "g"}, err: "--secret", is: webhook.ErrSecretNotHex},
		"bad environment":   {env: map[string]string{EnvWebhookSecret: hexA + "hunter2."}, err: EnvWebhookSecret, is: webhook.ErrSecretNotHex},
		"empty file":        {args: []string{"--secret-file", "HOME/empty"}, err: "HOME/empty", is: webhook.ErrSecretEmpty},
		"no file":           {args: []string{"--secret-file", "HOME/none"}, err: "HOME/none not found"},
		"folder":            {args: []string{"--secret-file", "HOME"}, err: "cannot read the secret"},
		"secret as file":    {args: []string{"--secret-file", hexA}, err: "looks like a secret"},
		"two in a file":     {args: []string{"--secret-file", "HOME/two"}, err: "has 2 secrets"},
		"two flags":         {args: []string{"--secret", hexA, "--secret", hexB}, err: "more than one secret"},
		"two ways":          {args: []string{"--secret", hexA, "--generate-secret"}, err: "more than one secret"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.file("one", hexA+"\n", 0o600)
			m.file("two", hexA+"\n\n"+hexB+"\n", 0o600)
			m.file("empty", "\n", 0o600)
			got, err := ResolveSecret(secretInput(m, test.args, test.env))
			if test.err != "" {
				if fault.KindOf(err) != fault.Usage || (test.is != nil && !errors.Is(err, test.is)) {
					t.Fatalf("got %v, want a usage error", err)
				}
				text := strings.ReplaceAll(err.Error()+fault.HintOf(err), m.home, "HOME")
				if !strings.Contains(text, test.err) {
					t.Errorf("got %s, want %s", text, test.err)
				}
				for _, secret := range []string{hexA, hexB, "hunter2"} {
					if strings.Contains(text, secret) {
						t.Errorf("the error shows the secret: %s", text)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Secret.Hex() != test.want || got.Source != test.source || strings.ReplaceAll(got.File, m.home, "HOME") != test.file {
				t.Errorf("got %s of %+v", got.Secret.Hex(), got)
			}
		})
	}
}

func secretInput(m *machine, args []string, env map[string]string) Input {
	m.t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	RegisterSecretFlags(flags, true)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "HOME", m.home)
	}
	if err := flags.Parse(args); err != nil {
		m.t.Fatal(err)
	}
	return Input{Flags: flags, Stdin: strings.NewReader(hexB + "\n"),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
}

func TestResolveSecrets(t *testing.T) {
	m := newMachine(t)
	m.file("two", hexA+"\n"+hexB+"\n", 0o600)
	got, err := ResolveSecrets(secretInput(m, []string{"--secret-file", "HOME/two", "--secret", "aa"}, nil))
	if err != nil || len(got) != 3 {
		t.Errorf("got %v, %v; want three", got, err)
	}
}

func TestGenerateSecret(t *testing.T) {
	in := secretInput(newMachine(t), []string{"--generate-secret"}, nil)
	a, err := ResolveSecret(in)
	b, err2 := ResolveSecret(in)
	if err != nil || err2 != nil || a.Source != SourceGenerated || a.Secret == b.Secret || len(a.Secret.Hex()) != 64 {
		t.Errorf("got %v and %v, %v %v", a, b, err, err2)
	}
}
