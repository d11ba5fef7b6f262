// Package config turns flags, environment, the profile of a config file and
// mender-cli's own files into one plain struct:
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
// # Which value wins
//
// For each setting by itself: the flag, then the environment, then the
// profile, then mender-cli's files, then the default. A profile that is named
// by --profile (not by MENDER_PROFILE) goes before the environment's server
// and token. A token that login keeps in the store counts as the profile's.
//
// A token goes only where it belongs. One that stands in a profile with a
// server is not sent to another server; nor is the environment's, where
// --profile chose another server than MENDER_SERVER_URL; and mender-cli's
// goes to the server that mender-cli's own settings name.
//
// # The config file
//
//	profile: production            # the one used unless another is named
//	profiles:
//	  production:
//	    server: https://eu.hosted.mender.io
//	    username: admin@example.com
//	  lab:
//	    server: https://mender.lab.example
//	    ca-cert: lab-ca.pem        # beside this file
//	    request-timeout: 5s
//
// Keys says which settings there are. Nothing in the file is expanded. File
// edits it.
//
// # Empty variables
//
// A MENDER_ variable that is consulted and found set but empty is an error,
// since that is what a missing CI secret looks like, and since the work would
// be done on another server or unsigned. Other variables that are empty count
// as not set. A flag that is given an empty text is always an error.
//
// Everything a user can put right is a usage error; no error of this package
// quotes a token or a secret. The package imports pkg/webhook for the type of
// a webhook's secret, and keeps viper to itself.
package config
