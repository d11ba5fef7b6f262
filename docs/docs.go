// Package docs holds the pages of this folder that the program shows, too, as
// `mender-webhooks help TOPIC`: one source for both.
package docs

import "embed"

// Topics has a page TOPIC.md for each help topic. Its first line is the
// title, and the first paragraph's first sentence says what it is about.
//
//go:embed exit-codes.md environment.md signatures.md
var Topics embed.FS
