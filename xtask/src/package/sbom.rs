//! The software bill of materials: what the binary contains, in the format CycloneDX.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::crates::{self, Crate};
use super::files::{self, read};
use super::{VERSION, dist};
use crate::command::{Result, output_of, run as run_command};
use crate::prepare;

/// Checks a file with the schema of CycloneDX.
const VALIDATE: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
why = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1], encoding='utf-8').read())
sys.exit(f'{sys.argv[1]}: {why}' if why else 0)";

/// Writes the file, and checks it.
///
/// # Errors
/// When cargo fails, or when the file does not fit the schema.
pub(super) fn make() -> Result {
    let crates = crates::all()?;
    let mut components: Vec<Value> =
        crates.values().filter(|one| one.name != "hongyan").map(component).collect();
    let mut dependencies: Vec<Value> = crates
        .values()
        .map(|one| {
            let mut needs: Vec<_> = one.needs.iter().map(|(name, version)| purl(name, version)).collect();
            if one.name == "libsqlite3-sys" {
                needs.extend(sqlite(one).map(|version| sqlite_purl(&version)));
            }
            json!({"ref": purl(&one.name, &one.version), "dependsOn": needs})
        })
        .collect();
    // The crate has the C sources of SQLite, whose weaknesses are published under the name of SQLite.
    let version = crates.values().find(|one| one.name == "libsqlite3-sys").and_then(sqlite);
    let version = version.ok_or("libsqlite3-sys does not say which SQLite it contains")?;
    dependencies.push(json!({"ref": sqlite_purl(&version), "dependsOn": []}));
    components.push(json!({
        "type": "library",
        "bom-ref": sqlite_purl(&version),
        "name": "sqlite",
        "version": version,
        "purl": sqlite_purl(&version),
        "cpe": format!("cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*"),
        "licenses": [{"license": {"id": "blessing"}}],
    }));
    let whole = crates.values().find(|one| one.name == "hongyan").ok_or("cargo tree names no hongyan")?;
    let mut application = component(whole);
    application["type"] = "application".into();
    let sbom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": files::time()?, "component": application},
        "components": components,
        "dependencies": dependencies,
    });
    let path = path();
    files::write(&path, format!("{sbom:#}\n"), 0o644)?;
    validate(&path)
}

/// The path of the file.
pub(super) fn path() -> PathBuf {
    dist().join(format!("hongyan-{VERSION}.cdx.json"))
}

/// Reads the file as a scanner does: which program in which version, and what is in the program.
///
/// # Errors
/// When the file is not JSON, or describes something else.
pub(super) fn check() -> Result {
    let path = path();
    let sbom: Value =
        serde_json::from_str(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    let program = &sbom["metadata"]["component"];
    if program["name"] != "hongyan" || program["version"] != VERSION {
        return Err(format!("{} is about {program}", path.display()));
    }
    let components = sbom["components"].as_array().map_or(&[][..], Vec::as_slice);
    let named = |name: &str| components.iter().find(|one| one["name"] == name);
    let sqlite = named("sqlite").ok_or_else(|| format!("{} names no SQLite", path.display()))?;
    println!("hongyan {VERSION}: {} components, SQLite {}", components.len(), sqlite["version"]);
    Ok(())
}

fn component(one: &Crate) -> Value {
    let purl = purl(&one.name, &one.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": one.name,
        "version": one.version,
        "purl": purl,
        "licenses": [{"expression": one.licence}],
    });
    if !one.description.is_empty() {
        component["description"] = one.description.as_str().into();
    }
    if let Some(checksum) = &one.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn sqlite_purl(version: &str) -> String {
    format!("pkg:generic/sqlite@{version}")
}

/// The version of SQLite that the crate contains.
fn sqlite(one: &Crate) -> Option<String> {
    let header = read(&one.folder.join("sqlite3/sqlite3.h")).ok()?;
    let line = header.lines().find_map(|line| line.strip_prefix("#define SQLITE_VERSION "))?;
    Some(line.trim().trim_matches('"').to_owned())
}

fn validate(path: &Path) -> Result {
    let python = prepare::python_packages("packages/linux")?;
    // Without this module the validator checks nothing, and says so only in a warning.
    output_of(Command::new(&python).args(["-c", "import jsonschema"])).ok_or("there is no jsonschema")?;
    run_command(Command::new(&python).args(["-c", VALIDATE]).arg(path))
}
