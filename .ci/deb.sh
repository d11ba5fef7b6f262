#!/usr/bin/env bash
# Installs the deb of an old commit into a clean Debian root, fills a queue as the
# unit would run the program, upgrades to the deb of this commit, and removes it
# again: no event may be lost. As root on Debian, with debootstrap:
#
#   .ci/deb.sh OLD-COMMIT
set -euo pipefail
cd "$(dirname "$0")/.."
old=$1
work=$(mktemp -d)
root=$work/root
trap 'umount "$root/proc" 2> /dev/null || true; rm -rf "$work"; git worktree prune' EXIT
goreleaser=$(go -C .ci/goreleaser tool -n goreleaser)

# deb builds the package of a checkout, for this machine only.
deb() { # CHECKOUT TO
  (
    cd "$1"
    sed -e 's/goos: \[.*/goos: [linux]/' -e "s/goarch: \[.*/goarch: [$(go env GOARCH)]/" -e 's/formats: \[deb, rpm, apk\]/formats: [deb]/' .goreleaser.yaml > "$work/one.yaml"
    TAP_TOKEN='' "$goreleaser" release --snapshot --clean --config "$work/one.yaml" --skip=sign,archive,homebrew,scoop,sbom > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    cp dist/*.deb "$2"
  )
}
git worktree add --quiet --detach "$work/old" "$old"
git worktree add --quiet --detach "$work/new" HEAD
deb "$work/old" "$work/old.deb"
deb "$work/new" "$work/new.deb"

debootstrap --variant=minbase --include=systemd stable "$root" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mount -t proc proc "$root/proc"
cp "$work"/*.deb "$root/root/"
in_root() { chroot "$root" "$@"; }
as_unit() { # what DynamicUser and StateDirectory come to
  chroot --userspec=61184:61184 "$root" env HOME=/ /usr/bin/mender-webhooks "$@"
}
state=/var/lib/private/mender-webhooks
queue() { as_unit queue --store "$state/queue" -o json --jq .waiting; }

in_root dpkg -i /root/old.deb > /dev/null
mkdir -p "$root$state"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$root$state/hook.secret"
chmod -R go= "$root$state"
chown -R 61184:61184 "$root$state"
chmod 755 "$root/var/lib/private"

# fill starts listen, sends events, and stops it.
fill() { # HOW-MANY
  as_unit listen --addr 127.0.0.1:0 -o none --secret-file "$state/hook.secret" --store "$state/queue" 2> "$work/listen" &
  for _ in $(seq 100); do grep -qo 'http://127.0.0.1:[0-9]*' "$work/listen" && break; sleep 0.1; done
  addr=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/listen" | head -n 1)
  as_unit trigger device-status-changed --count "$1" --to "$addr" --secret-file "$state/hook.secret" > /dev/null
  pkill -TERM -f "store $state/queue"
  wait %1 || true
}
fill 500
[ "$(queue)" = 500 ] || { echo "the old program does not hold its 500 events"; exit 1; }

in_root dpkg -i /root/new.deb > /dev/null
[ "$(queue)" = 500 ] || { echo "after the upgrade $(queue) of 500 events wait"; exit 1; }
fill 100
[ "$(queue)" = 600 ] || { echo "after the upgrade $(queue) of 600 events wait"; exit 1; }

for unit in mender-webhooks.service mender-webhooks.socket; do
  in_root systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit"
  if find "$root/etc/systemd/system" -name "$unit" | grep .; then
    echo "$unit is enabled by the package"
    exit 1
  fi
done
in_root systemd-analyze security --offline=true --threshold=25 --no-pager /usr/lib/systemd/system/mender-webhooks.service | tail -n 1

in_root dpkg --purge mender-webhooks > /dev/null
[ ! -e "$root/usr/bin/mender-webhooks" ] || { echo "the program is still there"; exit 1; }
[ -d "$root$state/queue" ] || { echo "the queue went with the package"; exit 1; }
echo "the deb: installed, upgraded over $old with 500 events waiting, removed; nothing lost"
