#!/bin/sh
# Install mender-webhooks from a release, after checking its checksum.
#
#   sh install.sh [VERSION]
#
# VERSION is a tag such as v1.2.3; the latest release if left out. The program
# goes to PREFIX/bin, man pages to PREFIX/share/man; PREFIX is /usr/local for root
# and ~/.local for everyone else.
set -eu

releases=${MENDER_WEBHOOKS_RELEASES:-https://github.com/mender-webhooks/mender-webhooks/releases}
version=${1:-}
if [ "$(id -u)" = 0 ]; then prefix=${PREFIX:-/usr/local}; else prefix=${PREFIX:-$HOME/.local}; fi

fail() {
  echo "install: $1" >&2
  exit 1
}

command -v curl > /dev/null || fail "curl is required"
case $(uname -s) in
  Linux) os=linux ;;
  Darwin) os=darwin ;;
  *) fail "no release for $(uname -s): see docs/install.md" ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  armv7*) arch=armv7 ;;
  *) fail "no release for $(uname -m): build it with go install" ;;
esac
if command -v sha256sum > /dev/null; then
  sum() { sha256sum "$1"; }
else
  sum() { shasum -a 256 "$1"; }
fi
if [ -z "$version" ]; then
  # The latest release redirects to its tag.
  version=$(curl -fsSL -o /dev/null -w '%{url_effective}' "$releases/latest") || fail "cannot find the latest release"
  version=${version##*/}
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
number=${version#v}
archive=mender-webhooks_${number}_${os}_${arch}.tar.gz
sums=mender-webhooks_${number}_checksums.txt
for file in "$archive" "$sums"; do
  curl -fsSL -o "$work/$file" "$releases/download/$version/$file" || fail "cannot download $file of $version"
done
want=$(awk -v name="$archive" '$2 == name { print $1 }' "$work/$sums")
have=$(sum "$work/$archive" | cut -d' ' -f1)
[ -n "$want" ] || fail "$sums does not list $archive"
[ "$want" = "$have" ] || fail "$archive does not match its checksum: have $have, want $want"

tar -xzf "$work/$archive" -C "$work"
mkdir -p "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/man/man7"
# Write next to the target and rename, so that a running program is not truncated.
cp "$work/mender-webhooks" "$prefix/bin/.mender-webhooks.new"
chmod 755 "$prefix/bin/.mender-webhooks.new"
mv "$prefix/bin/.mender-webhooks.new" "$prefix/bin/mender-webhooks"
cp "$work"/man/*.1 "$prefix/share/man/man1/"
cp "$work"/man/*.7 "$prefix/share/man/man7/"
echo "installed $("$prefix/bin/mender-webhooks" version | head -n 1) to $prefix/bin"
case :$PATH: in
  *":$prefix/bin:"*) ;;
  *) echo "hint: add $prefix/bin to PATH" >&2 ;;
esac
