// Package secret stores access tokens and webhook secrets on this machine: in the
// system's keyring (Secret Service, macOS Keychain, Windows Credential Manager),
// or in a file that only its owner can read. An Account is the view of one
// organization, and knows the life of a webhook's secret: keep, rotate, forget,
// fingerprint.
//
//	store := secret.New(secret.Options{File: settings.SecretsFile, NoKeyring: settings.NoKeyring})
//	account := store.Account(settings.Server, settings.Organization)
//	kept, err := account.Keep(ctx, id, s, secret.Generated)
//	…
//	fmt.Fprintf(stderr, "the secret is stored in %s\n", kept.Place)
//	…
//	secrets, err := account.Secrets(ctx, id)
//
// # The file
//
// The file exists in both cases, since keyrings cannot be listed: it records which
// secrets are stored, since when, where they come from, and where each one is. It
// contains a secret only if the keyring does not. So a machine without a keyring
// is never asked for one in order to read, and a keyring that hangs is waited for
// only once.
//
// The file has mode 0600, in a folder that is created with 0700. It is replaced as
// a whole, so that a crash or a full disk leaves the old one (Windows guarantees
// less). Changes are made under a lock beside it, which also works between
// processes.
package secret
