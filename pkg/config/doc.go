// Package config merges flags, environment variables, a profile of the config file
// and mender-cli's files into one struct:
//
//	config.RegisterFlags(root.PersistentFlags())
//	…
//	settings, err := config.Load(config.Input{
//		Flags:       cmd.Flags(),
//		LookupEnv:   os.LookupEnv,
//		Stdin:       os.Stdin,
//		StoredToken: storedToken, // asks pkg/secret
//	})
//	client, err := mender.New(mender.Options{Server: settings.Server, Token: settings.Token.Value, …})
//
// # Precedence
//
// Each setting is taken from the first of these that has it: flag, environment,
// profile, mender-cli's files, default. A profile selected with --profile (not with
// MENDER_PROFILE) takes precedence over the server and token in the environment. A
// token that login stored counts as the profile's.
//
// A token is never sent to the wrong server. A profile's token is sent only to the
// profile's server, and mender-cli's token only to the server in mender-cli's settings.
// The token in the environment is not sent to a different server selected with --profile.
//
// # The config file
//
//	profile: production            # default profile
//	profiles:
//	  production:
//	    server: https://eu.hosted.mender.io
//	    username: admin@example.com
//	  lab:
//	    server: https://mender.lab.example
//	    ca-cert: lab-ca.pem        # relative to this file
//	    request-timeout: 5s
//
// Keys lists the settings. Variables in the file are not expanded. File edits it.
//
// # Empty variables
//
// If a MENDER_ variable that is needed is set but empty, that is an error: usually a CI
// secret is missing, and otherwise the command would use another server or send
// unsigned events.
// Other empty variables count as unset. An empty flag is always an error.
//
// Errors that a user can fix are usage errors. No error contains a token or a secret.
// Only this package uses viper.
package config
