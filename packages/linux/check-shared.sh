# What check-deb.sh, check-rpm.sh, check-tarball.sh and check-wheel.sh share. These scripts run as root in a Debian with systemd
# that has never had Hongyan; /check has the files that they need.
set -eu
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /check
config=/etc/hongyan/hongyan.toml

fail() {
    set +x
    echo "FAILED: $*"
    systemctl --no-pager status hongyan.service || true
    journalctl --no-pager -n 20 -u hongyan.service || true
    exit 1
}
# Asks several times, for at most 60 s.
until_true() {
    for _ in $(seq 300); do
        if "$@"; then return 0; fi
        sleep 0.2
    done
    fail "not in 60 s: $*"
}
healthy() { hongyan healthcheck --ready --url http://127.0.0.1:8780 2>/dev/null; }
state_is() { [ "$(systemctl show -p ActiveState --value hongyan.service)" = "$1" ]; }
pid() { systemctl show -p MainPID --value hongyan.service; }
as_hongyan() { setpriv --reuid hongyan --regid hongyan --clear-groups hongyan "$@" --config "$config"; }
has_mode() { [ "$(stat -c '%U %G %a' "$1")" = "$2" ] || fail "the owner and the mode of $1 are not $2"; }

# The loopback device of a new network is down.
ip link set lo up 2>/dev/null || true
set -x
