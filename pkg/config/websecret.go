package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The flags of RegisterSecretFlags.
const (
	FlagSecret         = "secret"
	FlagSecretFile     = "secret-file"
	FlagGenerateSecret = "generate-secret"
)

// RegisterSecretFlags adds --secret and --secret-file, which can be repeated
// where the command takes several, and --generate-secret where it makes one.
func RegisterSecretFlags(flags *pflag.FlagSet, generate bool) {
	flags.Var(&repeated{}, FlagSecret,
		"webhook secret in hexadecimal digits (`HEX`); other users can see it in the process list")
	flags.Var(&repeated{}, FlagSecretFile,
		"`FILE` with the webhook secret; - for stdin (variable "+EnvWebhookSecret+" has the secret itself)")
	if generate {
		flags.Bool(FlagGenerateSecret, false, "generate a new webhook secret")
	}
}

// SecretFiles returns the names given with --secret-file; none where there is
// no such flag.
func SecretFiles(flags *pflag.FlagSet) []string { return flagValues(flags, FlagSecretFile) }

// WebhookSecret is a webhook's secret and where it came from.
type WebhookSecret struct {
	Secret webhook.Secret
	// Source is SourceFlag (also for a file named by a flag),
	// SourceEnvironment, SourceGenerated or SourceNone.
	Source Source
	// From is the place itself, such as "--secret-file hook.key".
	From string
	// File is the file to read again with ReadSecretFile when it changes, or
	// empty.
	File string
}

// ResolveSecret finds the one secret that flags or MENDER_WEBHOOK_SECRET
// give. Without any its Source is SourceNone, and the caller looks into the
// store. More than one, and whatever is no secret, is a usage error, which
// wraps pkg/webhook's.
func ResolveSecret(in Input) (WebhookSecret, error) {
	found, err := ResolveSecrets(in)
	switch {
	case err != nil:
		return WebhookSecret{}, err
	case len(found) == 0:
		return WebhookSecret{Source: SourceNone}, nil
	case len(found) > 1 && found[0].From == found[1].From && found[0].File != "":
		return WebhookSecret{}, usagef("leave one line in it", "%s holds %d secrets, and one is needed", found[0].From, len(found))
	case len(found) > 1:
		return WebhookSecret{}, usagef("", "more than one secret is given; use one of --%s, --%s and --%s, once",
			FlagSecret, FlagSecretFile, FlagGenerateSecret)
	}
	return found[0], nil
}

// ResolveSecrets finds all secrets that flags give, in no special order, or
// else MENDER_WEBHOOK_SECRET; none at all is no error.
func ResolveSecrets(in Input) ([]WebhookSecret, error) {
	var found []WebhookSecret
	for _, text := range flagValues(in.Flags, FlagSecret) {
		secret, err := parseSecret(text, "--"+FlagSecret)
		if err != nil {
			return nil, err
		}
		found = append(found, WebhookSecret{Secret: secret, Source: SourceFlag, From: "--" + FlagSecret})
	}
	for _, file := range flagValues(in.Flags, FlagSecretFile) {
		secrets, err := ReadSecretFile(file, in.Stdin)
		if err != nil {
			return nil, err
		}
		for _, secret := range secrets {
			w := WebhookSecret{Secret: secret, Source: SourceFlag, From: "--" + FlagSecretFile + " " + file}
			if file != "-" {
				w.File = file
			}
			found = append(found, w)
		}
	}
	if text, given, _ := flagValue(in.Flags, FlagGenerateSecret); given && text == "true" {
		found = append(found, WebhookSecret{Secret: webhook.GenerateSecret(), Source: SourceGenerated, From: "--" + FlagGenerateSecret})
	}
	if len(found) > 0 || in.LookupEnv == nil {
		return found, nil
	}
	text, ok, err := environment(in.LookupEnv).setting(EnvWebhookSecret)
	if err != nil || !ok {
		return nil, err
	}
	secret, err := parseSecret(text, EnvWebhookSecret)
	if err != nil {
		return nil, err
	}
	return []WebhookSecret{{Secret: secret, Source: SourceEnvironment, From: EnvWebhookSecret}}, nil
}

// ReadSecretFile reads a file of secrets, one a line, from a path that
// --secret-file gave; "-" is standard input. Two of them let a receiver take
// both while a secret is changed. A file without any is a usage error.
func ReadSecretFile(file string, stdin io.Reader) ([]webhook.Secret, error) {
	what := "--" + FlagSecretFile
	if file == "" {
		return nil, usagef("", "%s is empty", what)
	}
	if looksLikeSecret(file) && !exists(file) {
		return nil, usagef("use "+EnvWebhookSecret+", or --"+FlagSecret,
			"%s wants the name of a file, and was given what looks like the secret itself", what)
	}
	text, err := readText(file, stdin)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is not there", file)
		}
		return nil, unusable("can't read the secret that "+what+" names", err)
	}
	secrets, err := webhook.ParseSecrets([]byte(text))
	if err != nil {
		return nil, unusable(nameOf(file), err)
	}
	return secrets, nil
}

// parseSecret never quotes the text: neither do pkg/webhook's errors.
func parseSecret(text, where string) (webhook.Secret, error) {
	secret, err := webhook.ParseSecret(strings.TrimSpace(text))
	if err != nil {
		return webhook.Secret{}, unusable(where, err)
	}
	return secret, nil
}

// looksLikeSecret tells hexadecimal digits that nobody would name a file.
func looksLikeSecret(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) >= 16
}

// flagValues returns what a flag that can be repeated was given.
func flagValues(flags *pflag.FlagSet, name string) []string {
	if flags == nil {
		return nil
	}
	f := flags.Lookup(name)
	if f == nil || !f.Changed {
		return nil
	}
	values, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return []string{f.Value.String()}
	}
	return values.GetSlice()
}
