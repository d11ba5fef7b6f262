// Package provision makes a Mender server match a file or a command line. Read
// checks the file, Plan compares it with the server, and the difference is a plan
// that can be shown before Apply executes it. The commands create, update and
// delete execute plans of one step.
//
//	file, err := provision.Read("webhooks.yaml", text, provision.Sources{Sources: yamlfile.Sources{LookupEnv: os.LookupEnv, ReadFile: os.ReadFile}})
//	…
//	p := provision.New(provision.Options{API: client, Secrets: account, Claims: claims})
//	plan, err := p.Plan(ctx, file)
//	… // show it, ask
//	done, err := p.Apply(ctx, plan)
//
// Read sends nothing, Plan only reads, and Apply changes only what the plan says.
//
// # Comparison
//
// An entry of the file matches the integration of the same provider. Optional
// keys that the entry leaves out (description, scopes) are not compared. Mender
// replaces credentials in place; for any other change, Apply deletes the
// integration and creates another, and events in between are neither logged nor
// sent.
//
// Mender never returns a secret, so this machine stores a fingerprint of the
// secret that was last applied (see Secrets). Without a fingerprint, the secret
// is unknown, and Apply sets it. Apply removes the fingerprint before it changes
// the secret: if the process ends halfway, the secret is unknown rather than
// wrongly known.
//
// # Interruptions
//
// If the process ends between any two calls, the next run completes the work. A
// secret that no one else knows is stored before the server gets it: under the
// integration's id or, until it has one, as secret.Unconfirmed. Once Apply has
// deleted an integration to recreate it, an interruption no longer stops it from
// creating the new one.
package provision
