#!/bin/sh
# Install the release MENDER_WEBHOOKS_VERSION to MENDER_WEBHOOKS_DIR, unless the cache
# has restored it, and add it to the PATH of the job's next steps.
set -eu

version=${MENDER_WEBHOOKS_VERSION:?the input version is required, such as v0.1.0}
dir=$MENDER_WEBHOOKS_DIR

PATH=$dir/bin:$PATH
if ! [ -x "$dir/bin/mender-webhooks" ]; then
  PREFIX=$dir sh "$(dirname "$0")/../../../docs/install.sh" "$version"
fi
mender-webhooks version
echo "$dir/bin" >> "$GITHUB_PATH"
