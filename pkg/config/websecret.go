package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The flags of RegisterSecretFlags.
const (
	flagSecret         = "secret"
	FlagSecretFile     = "secret-file"
	flagGenerateSecret = "generate-secret"
)

// RegisterSecretFlags adds --secret and --secret-file, which can be repeated if the
// command accepts several, and optionally --generate-secret.
func RegisterSecretFlags(flags *pflag.FlagSet, generate bool) {
	flags.StringArray(flagSecret, nil,
		"webhook secret in hexadecimal digits (`HEX`); other users can see it in the process list")
	flags.StringArray(FlagSecretFile, nil,
		"`FILE` with the webhook secret; - for stdin (or set "+EnvWebhookSecret+" to the secret itself)")
	if generate {
		flags.Bool(flagGenerateSecret, false, "generate a new webhook secret")
	}
}

// SecretFiles returns the values of --secret-file.
func SecretFiles(flags *pflag.FlagSet) []string { return flagValues(flags, FlagSecretFile) }

// WebhookSecret is a webhook's secret with its origin.
type WebhookSecret struct {
	Secret webhook.Secret
	// Source is SourceFlag (also for a file named by a flag),
	// SourceEnvironment, SourceGenerated or SourceNone.
	Source Source
	// From is the origin, such as "--secret-file hook.key".
	From string
	// File is the file to read again with readSecretFile when it changes, or empty.
	File string
}

// ResolveSecret returns the secret from flags or MENDER_WEBHOOK_SECRET. If there is
// none, its Source is SourceNone, and the caller looks for a stored secret. More than
// one secret, or an invalid one, is a usage error; for an invalid secret, it wraps the
// error of pkg/webhook.
func ResolveSecret(in Input) (WebhookSecret, error) {
	found, err := ResolveSecrets(in)
	switch {
	case err != nil:
		return WebhookSecret{}, err
	case len(found) == 0:
		return WebhookSecret{Source: SourceNone}, nil
	case len(found) > 1 && found[0].From == found[1].From && found[0].File != "":
		return WebhookSecret{}, usagef("keep only one secret in the file", "%s has %d secrets, but must have exactly one", found[0].From, len(found))
	case len(found) > 1:
		return WebhookSecret{}, usagef("", "more than one secret: pass only one of --%s, --%s and --%s, once",
			flagSecret, FlagSecretFile, flagGenerateSecret)
	}
	return found[0], nil
}

// ResolveSecrets returns all secrets from flags, regardless of their order on the
// command line, or else the one in MENDER_WEBHOOK_SECRET, or none.
func ResolveSecrets(in Input) ([]WebhookSecret, error) {
	var found []WebhookSecret
	for _, text := range flagValues(in.Flags, flagSecret) {
		secret, err := parseSecret(text, "--"+flagSecret)
		if err != nil {
			return nil, err
		}
		found = append(found, WebhookSecret{Secret: secret, Source: SourceFlag, From: "--" + flagSecret})
	}
	for _, file := range flagValues(in.Flags, FlagSecretFile) {
		secrets, err := readSecretFile(file, in.Stdin)
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
	if text, given, _ := flagValue(in.Flags, flagGenerateSecret); given && text == "true" {
		found = append(found, WebhookSecret{Secret: webhook.GenerateSecret(), Source: SourceGenerated, From: "--" + flagGenerateSecret})
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

// readSecretFile reads a file with one secret per line; "-" is stdin. With two secrets, a
// receiver accepts both during a rotation. A file without a secret is a usage error.
func readSecretFile(file string, stdin io.Reader) ([]webhook.Secret, error) {
	what := "--" + FlagSecretFile
	if file == "" {
		return nil, usagef("", "%s is empty", what)
	}
	if looksLikeSecret(file) && !exists(file) {
		return nil, usagef("use "+EnvWebhookSecret+", or --"+flagSecret,
			"invalid %s: must be the name of a file, but looks like a secret", what)
	}
	text, err := readText(file, stdin)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s not found", file)
		}
		return nil, unusable("cannot read the secret of "+what, err)
	}
	secrets, err := webhook.ParseSecrets([]byte(text))
	if err != nil {
		return nil, unusable(textfile.Name(file), err)
	}
	return secrets, nil
}

// parseSecret parses a secret. Its errors do not contain the text.
func parseSecret(text, where string) (webhook.Secret, error) {
	secret, err := webhook.ParseSecret(strings.TrimSpace(text))
	if err != nil {
		return webhook.Secret{}, unusable(where, err)
	}
	return secret, nil
}

// looksLikeSecret reports whether text that was passed as a file name is probably a
// secret.
func looksLikeSecret(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) >= 16
}

// flagValues returns the values of a flag that can be repeated.
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
