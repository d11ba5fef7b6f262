#!/bin/sh
# Before a removal. An upgrade passes "upgrade" (deb) or 1 (rpm), and must leave
# the units alone; apk runs this only for removals.
set -e
case "${1:-}" in upgrade | 1) exit 0 ;; esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now mender-webhooks.socket mender-webhooks.service || true
