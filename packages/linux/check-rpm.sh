#!/bin/sh
# Runs as root in a Debian with rpm that has never had the package: installs, starts, upgrades and removes.
# /check has an older package (0.0.9~) and the new package. rpm knows no packages of Debian: hence --nodeps.
. /check/check-shared.sh
older=$(ls hongyan-0.0.9~*.rpm)
newer=$(ls hongyan-*.rpm | grep -v "^$older\$")
rpm --query --package --list "$newer" >files

# 1. An installation does not start the service. An administrator does.
rpm --install --nodeps "$older"
state_is inactive || fail 'an installation started the service'
has_mode /var/lib/hongyan 'hongyan hongyan 700'
has_mode $config 'root hongyan 640'
systemctl enable --now hongyan.service
until_true healthy
has_mode /var/lib/hongyan/master.key 'hongyan hongyan 600'
as_hongyan key create --name check >key

# 2. An upgrade keeps the configuration and the data, and restarts the service.
echo '# changed by the administrator' >>$config
before=$(pid)
rpm --upgrade --nodeps "$newer"
until_true healthy
[ "$(pid)" != "$before" ] || fail 'an upgrade did not restart the service'
tail -n 1 $config | grep -q 'changed by the administrator' || fail 'an upgrade replaced the configuration'
as_hongyan key list | grep -q check || fail 'an upgrade lost the data'
[ "hongyan $(rpm --query --queryformat '%{VERSION}' hongyan)" = "$(hongyan --version)" ] || fail 'the binary has another version'

# 3. Every file is there as it was packed.
rpm --verify --nodeps --noconfig hongyan
for file in /usr/share/bash-completion/completions/hongyan /usr/share/man/man1/hongyan.1.gz \
    /usr/share/man/zh_CN/man1/hongyan.1.gz /usr/share/doc/hongyan/README.md; do
    grep -qx "$file" files || fail "the package has no $file"
done

# 4. A removal stops the service, and keeps the changed configuration, the data and the user.
before=$(pid)
rpm --erase hongyan
[ ! -e "/proc/$before" ] || fail 'the service runs after a removal'
[ ! -e /usr/bin/hongyan ] || fail 'the binary is there after a removal'
grep -q 'changed by the administrator' $config.rpmsave || fail 'a removal took the changed configuration along'
[ -e /var/lib/hongyan/hongyan.db ] || fail 'a removal took data along'
getent passwd hongyan
