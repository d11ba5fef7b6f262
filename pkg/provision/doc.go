// Package provision makes a Mender server match a file: the file is read and
// checked as a whole, compared with what the server has, and the difference is
// a plan that can be shown before it is carried out.
//
//	file, err := provision.Read("webhooks.yaml", text, provision.Sources{LookupEnv: os.LookupEnv})
//	…
//	p := provision.New(provision.Options{API: client, Secrets: secrets, Claims: claims})
//	plan, err := p.Plan(ctx, file)
//	… // show it, ask
//	done, err := p.Apply(ctx, plan)
//
// Read sends nothing; Plan sends reads alone; Apply sends what the plan says,
// and nothing where it says nothing.
//
// # What is compared
//
// An entry of the file and an integration belong together where they have the
// same provider. What the entry does not name (description, scopes) is not
// compared. Mender replaces credentials in place; for everything else, an
// integration is deleted and created again, and events in between are neither
// logged nor sent.
//
// Mender never tells a secret. So a fingerprint of what was last applied is
// kept on this machine (see Secrets); without it, a secret is unknown, and is
// set. A fingerprint is forgotten before the server is told of anything new:
// if the process ends halfway, the secret is unknown, not wrongly known.
//
// # Ending halfway
//
// A process that is stopped after any of its calls leaves a state from which
// the next run gets to the file's. A secret that the tool made, or took from
// the store, is in the store before the server gets it: under the integration's
// id or, while there is none, under Pending.
package provision
