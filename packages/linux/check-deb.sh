#!/bin/sh
# Runs as root in a Debian with systemd that has never had the package: installs, upgrades, breaks, removes and purges.
# /check has an older package (0.0.9~) and the new package.
. /check/check-shared.sh
older=$(ls hongyan_0.0.9~*_amd64.deb)
newer=$(ls hongyan_*_amd64.deb | grep -v "^$older\$")

# 1. An installation starts the service, as its own user.
apt-get install --yes "./$older"
until_true healthy
systemctl is-enabled hongyan.service
has_mode /var/lib/hongyan 'hongyan hongyan 700'
has_mode $config 'root hongyan 640'
has_mode /var/lib/hongyan/master.key 'hongyan hongyan 600'
[ "$(ps -o user= -p "$(pid)" 2>/dev/null || stat -c %U "/proc/$(pid)")" = hongyan ] || fail 'the user of the service'
hongyan --version
as_hongyan key create --name check >/check/key

# 2. An upgrade keeps the configuration and the data, and restarts the service.
echo '# changed by the administrator' >>$config
before=$(pid)
apt-get install --yes "./$newer"
until_true healthy
[ "$(pid)" != "$before" ] || fail 'an upgrade did not restart the service'
tail -n 1 $config | grep -q 'changed by the administrator' || fail 'an upgrade replaced the configuration'
has_mode $config 'root hongyan 640'
as_hongyan key list | grep -q check || fail 'an upgrade lost the data'

# 3. A crash is followed by a start.
before=$(pid)
kill -KILL "$before"
restarted() { [ "$(pid)" != "$before" ] && [ "$(pid)" != 0 ] && healthy; }
until_true restarted

# 4. A wrong configuration is not tried again.
cp -p $config /check/kept.toml
echo 'nonsense = 1' >>$config
systemctl restart hongyan.service || true
until_true state_is failed
[ "$(systemctl show -p ExecMainStatus --value hongyan.service)" = 78 ] || fail 'a wrong configuration has another exit code'
cp -p /check/kept.toml $config

# 5. So is an override of the unit with a wrong setting. A line that systemd does not know keeps nothing from running.
overrides=/etc/systemd/system/hongyan.service.d
mkdir $overrides
printf '[Service]\nEnvironment=HONGYAN_LISTEN=nowhere\n' >$overrides/override.conf
systemctl daemon-reload
systemctl reset-failed hongyan.service
systemctl restart hongyan.service || true
until_true state_is failed
[ "$(systemctl show -p ExecMainStatus --value hongyan.service)" = 78 ] || fail 'a wrong override has another exit code'
printf '[Service]\nProtectSytem=strict\n' >$overrides/override.conf
systemctl daemon-reload
systemctl reset-failed hongyan.service
systemctl restart hongyan.service
until_true healthy
rm -r $overrides
systemctl daemon-reload
systemctl stop hongyan.service

# 6. A port that is in use is tried a few times, and no more.
hongyan sandbox --listen 127.0.0.1:8780 >/check/sandbox.log 2>&1 &
sandbox=$!
systemctl reset-failed hongyan.service
systemctl start hongyan.service || true
until_true state_is failed
restarts=$(systemctl show -p NRestarts --value hongyan.service)
[ "$restarts" -ge 1 ] && [ "$restarts" -le 5 ] || fail "$restarts restarts with a port in use"
kill $sandbox
wait $sandbox || true
systemctl reset-failed hongyan.service
systemctl start hongyan.service
until_true healthy

# 7. A removal stops the service, and keeps configuration, data and user.
before=$(pid)
apt-get remove --yes hongyan
[ ! -e "/proc/$before" ] || fail 'the service runs after a removal'
[ ! -e /usr/bin/hongyan ] || fail 'the binary is there after a removal'
[ -e $config ] && [ -e /var/lib/hongyan/hongyan.db ] || fail 'a removal took data along'
getent passwd hongyan

# 8. An administrator who forbids starts gets a package that is not started.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
dpkg -i "$newer"
state_is inactive || fail 'the service was started against policy-rc.d'
rm /usr/sbin/policy-rc.d

# 9. Everything runs on this machine without the service.
mkfifo /check/demo
timeout 20 hongyan demo --json --listen 127.0.0.1:0 --sandbox-listen 127.0.0.1:0 >/check/demo 2>/check/demo.log &
demo=$!
head -n 1 /check/demo | grep -q '"gateway"' || fail 'the demo is not ready'
kill $demo
wait $demo || true

# 10. A purge takes everything along.
apt-get purge --yes hongyan
for path in /etc/hongyan /var/lib/hongyan /etc/systemd/system/multi-user.target.wants/hongyan.service; do
    [ ! -e $path ] || fail "$path is there after a purge"
done
if getent passwd hongyan; then fail 'the user is there after a purge'; fi
echo passed
