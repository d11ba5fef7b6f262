// Package docs embeds the pages that `mender-webhooks help TOPIC` shows.
package docs

import "embed"

// Topics has a page TOPIC.md for each help topic. The help command takes the
// title from its first line, and the summary from its first paragraph.
//
//go:embed exit-codes.md environment.md signatures.md
var Topics embed.FS
