// Package secret stores access tokens and webhook secrets on this machine: in the
// system's keyring (Secret Service, macOS Keychain, Windows Credential Manager),
// or in a file that only its owner can read. Webhooks are the view of one
// organization: they store, rotate, forget and fingerprint the secrets of its
// webhooks.
//
//	store := secret.New(secret.Options{File: settings.SecretsFile, NoKeyring: settings.NoKeyring})
//	webhooks := store.Webhooks(settings.Account)
//	kept, err := webhooks.Keep(ctx, id, s, secret.Generated)
//	…
//	fmt.Fprintf(stderr, "the secret is stored in %s\n", kept.Place)
//	…
//	secrets, err := webhooks.Secrets(ctx, id)
//
// # The file
//
// The file exists in both cases, since keyrings cannot be listed: it records which
// secrets are stored, since when, their origin, and the place of each one. It
// contains a secret only if the keyring does not. On a machine without a keyring,
// reading a secret therefore does not try the keyring. If the keyring hangs, a
// process waits for it only once.
//
// The file has mode 0600, in a folder that is created with 0700. It is replaced as
// a whole, so that a crash or a full disk leaves the old file (Windows guarantees
// less). A lock file next to it serializes changes, even between processes.
package secret
