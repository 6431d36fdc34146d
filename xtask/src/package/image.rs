//! Container images of the gateway and of the sandbox, as archives in the layout of OCI. They need no container engine.
//!
//! An image is the binary, the C library of this machine (`deploy/image-root.sh`), and how to run it
//! (`deploy/Containerfile`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::files::{self, clear_folder, failed, sha256, write};
use super::{VERSION, containerfile, contents, dist, tarball, work};
use crate::command::{Result, root, run as run_command};
use crate::prepare;

/// The images: the stage of the Containerfile, and the image's name.
pub(super) const IMAGES: [(&str, &str); 2] = [("gateway", "hongyan"), ("sandbox", "hongyan-sandbox")];

/// The user of the images, as the option of tar that gives a file to the user.
const USER: [&str; 2] = ["--owner=65532", "--group=65532"];

/// Makes both images.
///
/// # Errors
/// When a file cannot be made.
pub(super) fn make() -> Result {
    let work = work()?.join("image");
    clear_folder(&work)?;
    let files = work.join("root");
    let mut script = Command::new("sh");
    script.arg(root().join("deploy/image-root.sh")).arg(contents::folder()?.join("hongyan")).arg(&files);
    run_command(&mut script)?;
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.txt"] {
        files::copy(&contents::folder()?.join(name), &files.join("usr/share/doc/hongyan").join(name), 0o644)?;
    }
    for (stage, name) in IMAGES {
        image(stage, name, &files, &work.join(name))?;
    }
    Ok(())
}

/// The path of a finished image.
pub(super) fn archive(name: &str) -> PathBuf {
    dist().join(format!("{name}-{VERSION}-oci.tar"))
}

fn image(stage: &str, name: &str, files: &Path, layout: &Path) -> Result {
    let stage = containerfile::read(stage)?;
    files::make_folder(&layout.join("blobs/sha256"))?;
    let layer = layout.join("layer.tar");
    run_command(tarball::tar(&layer)?.arg("-C").arg(files).arg("."))?;
    if stage.has_data {
        let folder = layout.join("volume/data");
        files::make_folder(&folder)?;
        let mut add = Command::new("tar");
        add.arg("-rf").arg(&layer).args(USER).args(["--numeric-owner", "--format=gnu", "--mode=0700"]);
        add.arg(format!("--mtime=@{}", files::epoch()?)).arg("-C").arg(layout.join("volume")).arg("./data");
        run_command(&mut add)?;
    }
    let content = sha256(&layer)?;
    run_command(Command::new("gzip").args(["-9n"]).arg(&layer))?;
    let layer = blob(layout, &layout.join("layer.tar.gz"), "application/vnd.oci.image.layer.v1.tar+gzip")?;
    let time = files::time()?;
    let mut config = Value::from(stage.config);
    config["Labels"]["org.opencontainers.image.version"] = VERSION.into();
    let config = blob_of(
        layout,
        &json!({
            "created": time,
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{content}")]},
            "history": [{"created": time, "created_by": "cargo xtask package"}],
        }),
        "application/vnd.oci.image.config.v1+json",
    )?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob_of(layout, &manifest, "application/vnd.oci.image.manifest.v1+json")?;
    manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
    // Podman reads the first name, Docker the second.
    manifest["annotations"] = json!({
        "org.opencontainers.image.ref.name": format!("{name}:{VERSION}"),
        "io.containerd.image.name": format!("docker.io/library/{name}:{VERSION}"),
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    write(&layout.join("index.json"), index.to_string(), 0o644)?;
    write(&layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string(), 0o644)?;
    run_command(tarball::tar(&archive(name))?.arg("-C").arg(layout).args([
        "blobs",
        "index.json",
        "oci-layout",
    ]))
}

/// Moves a file to the place of its checksum, and describes it.
fn blob(layout: &Path, file: &Path, kind: &str) -> Result<Value> {
    let digest = sha256(file)?;
    let place = layout.join("blobs/sha256").join(&digest);
    fs::rename(file, &place).map_err(|error| failed(file, &error))?;
    let size = fs::metadata(&place).map_err(|error| failed(&place, &error))?.len();
    Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": size}))
}

fn blob_of(layout: &Path, value: &Value, kind: &str) -> Result<Value> {
    let file = layout.join("blob.json");
    write(&file, value.to_string(), 0o644)?;
    blob(layout, &file, kind)
}

/// Has others read the images, and runs both: not as root, with files that cannot be written. Then runs the demo of README.md.
///
/// # Errors
/// When an image cannot be read, or does not run.
pub(super) fn check() -> Result {
    prepare::programs(&[("skopeo", "skopeo"), ("runc", "runc"), ("nsenter", "util-linux")])?;
    let run = |name: &str, arguments: &[&str]| {
        let mut script = Command::new("sh");
        script.arg(root().join("packages/linux/check-image.sh")).arg(archive(name)).arg(name);
        run_command(script.args(arguments))
    };
    for (_, name) in IMAGES {
        let place = format!("oci-archive:{}", archive(name).display());
        run_command(Command::new("skopeo").args(["inspect", "--format", "{{.Name}} {{.Digest}}", &place]))?;
        run(name, &[])?;
    }
    let (_, gateway) = IMAGES[0];
    run(gateway, &["demo", "--listen", "0.0.0.0:8780", "--sandbox-listen", "0.0.0.0:8790"])
}
