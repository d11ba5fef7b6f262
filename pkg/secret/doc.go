// Package secret keeps access tokens and webhook secrets on this machine: in
// the system's keyring (Secret Service, macOS Keychain, Windows Credential
// Manager), else in a file that its owner alone can read.
//
//	store := secret.New(secret.Options{File: settings.SecretsFile, NoKeyring: settings.NoKeyring})
//	key := secret.Key{Kind: secret.Token, Server: settings.Server, Name: settings.Profile}
//	saved, err := store.Set(ctx, secret.Entry{Info: secret.Info{Key: key, Origin: secret.Login}, Value: jwt})
//	…
//	fmt.Fprintf(stderr, "The token is kept in %s.\n", saved)
//	…
//	entry, err := store.Get(ctx, key)
//	if errors.Is(err, secret.ErrNotFound) { … }
//
// # The file
//
// The file is there in both cases, since keyrings can't be listed: it says
// which secrets are kept, since when, where they come from, and where each
// one is; it holds the secret itself only where the keyring does not. So a
// machine without a keyring is never asked for one in order to read, and a
// keyring that has hung is waited for once.
//
// It has mode 0600, in a folder that is made with 0700. It is replaced as a
// whole: a crash, or a full disk, leaves the old one (on Windows it is
// overwritten, since there is no such replacing there). Changes are made under
// a lock, beside it, also against other processes.
package secret
