#!/usr/bin/env bash
# Tries the README's commands as a stranger would: a bare Debian 12 made by debootstrap in a temporary folder, a new user
# with sudo, an ordinary clone of what is committed. Needs root; tests/run.sh never calls it.
#   tests/fresh.sh                 the demo, the demo with a real Kafka, and all tests
#   tests/fresh.sh demo|kafka|tests …   only these
# Captures come along when $PCAP_CORPUS is set. Package sources and certificates are this machine's.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A commands=([demo]="deploy/demo.sh --seconds 5" [kafka]="deploy/demo.sh --seconds 5 --kafka local" [tests]="tests/run.sh")
wanted=("$@")
[[ ${#wanted[@]} -gt 0 ]] || wanted=(demo kafka tests)
for name in "${wanted[@]}"; do
	[[ -n ${commands[$name]:-} ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
done
[[ $(id -u) == 0 ]] || { echo "fresh.sh: needs root, to make a system in a folder" >&2; exit 2; }
command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -y -q debootstrap; } >/dev/null

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true)
mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+).*/\2/p' <<<"$sources" | head -n 1)
echo "making a Debian 12 in $root"
debootstrap --variant=minbase --include=ca-certificates,git,sudo bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
	{ tail -n 5 "$root.log" >&2; exit 1; }
rm -f "$root.log"
chmod 755 "$root"
cp -r /etc/apt/sources.list.d/. "$root/etc/apt/sources.list.d/"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$root" update-ca-certificates >/dev/null 2>&1
chroot "$root" useradd -m -s /bin/bash stranger
echo 'stranger ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/stranger"
git clone -q --no-hardlinks . "$root/home/stranger/project"
corpus=()
if [[ -n ${PCAP_CORPUS:-} ]]; then
	cp -r "$PCAP_CORPUS" "$root/home/stranger/captures"
	corpus=(PCAP_CORPUS=/home/stranger/captures)
fi
chroot "$root" chown -R stranger:stranger /home/stranger

ca=/etc/ssl/certs/ca-certificates.crt
status=0
for name in "${wanted[@]}"; do
	echo "== ${commands[$name]}"
	# processes and mounts of its own, ended with it
	unshare --mount --pid --fork --kill-child bash -c '
		root=$1 command=$2
		shift 2
		mount --make-rprivate /
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		exec chroot --userspec=stranger:stranger "$root" /usr/bin/env -i HOME=/home/stranger USER=stranger LANG=C.UTF-8 TERM=dumb \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" bash -c "cd ~/project && exec $command"' \
		fresh "$root" "${commands[$name]}" SSL_CERT_FILE=$ca NODE_EXTRA_CA_CERTS=$ca PIP_CERT=$ca "${corpus[@]}" || status=1
done
[[ $status == 0 ]] && echo "fresh: every command did what the README says"
exit $status
