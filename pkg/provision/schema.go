package provision

import _ "embed" // for the schema

//go:embed webhooks.schema.json
var schema string

// Schema is the JSON Schema (draft 7) of a file, for editors. What takes the
// machine or the server to know, such as whether a variable is set, is not in
// it.
func Schema() string { return schema }
