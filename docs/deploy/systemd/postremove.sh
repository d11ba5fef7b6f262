#!/bin/sh
# After a removal. The queue in /var/lib/mender-webhooks stays: it may hold events
# that your application has not had yet.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
