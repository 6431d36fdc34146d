#!/bin/sh
# Makes the files of an image: the binary, the C library of this machine, and a user. There is no shell and no package
# manager in the image.
#   sh deploy/image-root.sh BINARY FOLDER
set -eu
binary=$1
root=$2

mkdir -p "$root/etc" "$root/usr/bin" "$root/tmp"
chmod 1777 "$root/tmp"
cp "$binary" "$root/usr/bin/hongyan"
chmod 0755 "$root/usr/bin/hongyan"

# The loader and the libraries that the binary names, at the paths where the loader looks for them.
ldd "$binary" | sed -n 's|^[^/]*\(/[^ ]*\) (.*|\1|p' | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
    # Before version 2.34, glibc looks names up by libraries that no program names.
    case $library in */libc.so.6)
        for extra in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
            if [ -e "${library%/*}/$extra" ]; then cp -L "${library%/*}/$extra" "$root${library%/*}/$extra"; fi
        done
        ;;
    esac
done

# A scanner finds here which C library the image has.
if dpkg-query -s libc6 >/dev/null 2>&1; then
    mkdir -p "$root/var/lib/dpkg/status.d" "$root/usr/share/doc/libc6"
    dpkg-query -s libc6 >"$root/var/lib/dpkg/status.d/libc6"
    cp /usr/share/doc/libc6/copyright "$root/usr/share/doc/libc6/copyright"
fi

echo 'hongyan:x:65532:65532:hongyan:/data:/sbin/nologin' >"$root/etc/passwd"
echo 'hongyan:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
find "$root" -type d ! -path "$root/tmp" -exec chmod 0755 {} +
find "$root/etc" -type f -exec chmod 0644 {} +
