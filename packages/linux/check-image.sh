#!/bin/sh
# Runs an image as an engine would, but without an engine: not as root, with files that cannot be written, on a network of
# its own, and with a directory for its volume.
#   sh check-image.sh ARCHIVE NAME [ARGUMENT...]
# The arguments take the place of the image's own: they start the demo, which serves no health at the port of the image's check.
set -eu
archive=$1
name=$2
shift 2
work=$(mktemp -d)
container="hongyan-check-$$"
trap 'runc delete --force "$container" 2>/dev/null || true; rm -rf "$work"' EXIT

# What the image says is in its layout: index, manifest, configuration.
mkdir "$work/layout" "$work/rootfs" "$work/data"
tar -xf "$archive" -C "$work/layout"
python3 - "$work" "$name" "$@" <<'PYTHON'
import gzip, hashlib, json, pathlib, subprocess, sys

work, name, arguments = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]


def blob(about):
    content = (work / "layout/blobs" / about["digest"].replace(":", "/")).read_bytes()
    assert len(content) == about["size"], "a blob has another size"
    assert "sha256:" + hashlib.sha256(content).hexdigest() == about["digest"], "a blob has another content"
    return content


index = json.loads((work / "layout/index.json").read_text())
manifest = json.loads(blob(index["manifests"][0]))
image = json.loads(blob(manifest["config"]))
layers = [gzip.decompress(blob(layer)) for layer in manifest["layers"]]
assert ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers] == image["rootfs"]["diff_ids"]
config = image["config"]
(work / "layer.tar").write_bytes(layers[0])
subprocess.run(["tar", "-xpf", work / "layer.tar", "-C", work / "rootfs"], check=True)
user, group = map(int, config["User"].split(":"))
assert user > 0, "the image runs as root"
namespaces = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
bundle = {
    "ociVersion": "1.0.2",
    "process": {
        "user": {"uid": user, "gid": group},
        "args": config["Entrypoint"] + (arguments or config.get("Cmd", [])),
        "env": config["Env"],
        "cwd": config.get("WorkingDir", "/"),
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
    ]
    + [
        {"destination": place, "type": "bind", "source": str(work / "data"), "options": ["bind", "rw"]}
        for place in config.get("Volumes", {})
    ],
    "linux": {"namespaces": namespaces},
}
(work / "config.json").write_text(json.dumps(bundle))
health = config["Healthcheck"]["Test"][1:] + (["--url", "http://127.0.0.1:8780"] if arguments else [])
(work / "health").write_text("\n".join(health))
print(name, "listens on", ", ".join(config["ExposedPorts"]))
PYTHON
chown 65532:65532 "$work/data"
chmod 0700 "$work/data"

runc create --bundle "$work" --pid-file "$work/pid" "$container" </dev/null >"$work/log" 2>&1
# An engine brings the loopback device up before it starts the program: the demo calls itself. runc leaves that to its caller, and
# the image has no program for it.
nsenter --net="/proc/$(cat "$work/pid")/ns/net" python3 -c '
import fcntl, socket, struct
up = struct.pack("16sh14x", b"lo", 0x41)  # IFF_UP, IFF_RUNNING
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, up)  # SIOCSIFFLAGS
'
runc start "$container"

healthy() { tr '\n' '\0' <"$work/health" | xargs -0 runc exec "$container" 2>"$work/why"; }
for _ in $(seq 100); do
    if healthy; then
        runc kill "$container" TERM
        for _ in $(seq 100); do
            if [ "$(runc list --quiet | grep -cx "$container")" = 0 ] || runc state "$container" | grep -q '"status": "stopped"'; then
                runc delete "$container" 2>/dev/null || true
                echo "$name: healthy, and ended when it was told to"
                exit 0
            fi
            sleep 0.2
        done
        echo "$name: does not end"
        exit 1
    fi
    sleep 0.2
done
echo "$name: not healthy: $(cat "$work/why")"
cat "$work/log"
exit 1
