//! Reads how an image is to be run from `deploy/Containerfile`, so that an image that is made here is the same as one
//! that a container engine builds.

use serde_json::{Map, Value, json};

use super::files;
use crate::command::{Result, root};

/// The stage in which a container engine builds the files; here they are there already.
const BUILD: &str = "build";

/// A stage of the file: an image.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// The `config` of the image, in the form of OCI's image specification.
    pub(super) config: Map<String, Value>,
    /// Whether the image has the directory /data, which belongs to the user of the image.
    pub(super) has_data: bool,
}

/// Reads a stage.
///
/// # Errors
/// When the file has no such stage, or when the stage has an instruction that is not known here.
pub(super) fn read(name: &str) -> Result<Stage> {
    let text = files::read(&root().join("deploy/Containerfile"))?;
    stage(&text, name).map_err(|why| format!("deploy/Containerfile: {why}"))
}

fn stage(text: &str, name: &str) -> Result<Stage> {
    let mut stage = Stage::default();
    let mut is_here = false;
    let mut is_found = false;
    for line in text.replace("\\\n", " ").lines().map(str::trim) {
        let Some((word, rest)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        if word == "FROM" {
            is_here = rest == format!("scratch AS {name}");
            is_found |= is_here;
        } else if is_here {
            stage.read(word, rest.trim())?;
        }
    }
    if is_found { Ok(stage) } else { Err(format!("there is no stage FROM scratch AS {name}")) }
}

impl Stage {
    fn read(&mut self, word: &str, rest: &str) -> Result {
        match word {
            "COPY" if rest == format!("--from={BUILD} /image/ /") => {}
            "COPY" if rest == format!("--from={BUILD} --chown=65532:65532 /data /data") => {
                self.has_data = true;
            }
            "LABEL" => {
                let (name, value) = pair(rest)?;
                self.member("Labels").insert(name.into(), value.into());
            }
            "ENV" => {
                let (name, value) = pair(rest)?;
                let list = self.config.entry("Env").or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(format!("{name}={value}").into());
                }
            }
            "EXPOSE" => {
                self.member("ExposedPorts").insert(format!("{rest}/tcp"), json!({}));
            }
            "VOLUME" => {
                self.member("Volumes").insert(rest.into(), json!({}));
            }
            "USER" => self.set("User", rest.into()),
            "WORKDIR" => self.set("WorkingDir", rest.into()),
            "ENTRYPOINT" => self.set("Entrypoint", words(rest)?),
            "CMD" => self.set("Cmd", words(rest)?),
            "HEALTHCHECK" => self.set("Healthcheck", health(rest)?),
            _ => return Err(format!("cannot read the instruction {word} {rest}")),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) {
        self.config.insert(name.into(), value);
    }

    fn member(&mut self, name: &str) -> &mut Map<String, Value> {
        let member = self.config.entry(name).or_insert_with(|| json!({}));
        member.as_object_mut().expect("every member of this name is made here, as an object")
    }
}

/// `NAME="VALUE"`.
fn pair(text: &str) -> Result<(&str, &str)> {
    let pair = text.split_once('=').and_then(|(name, value)| {
        Some((name, value.strip_prefix('"')?.strip_suffix('"').filter(|value| !value.contains('"'))?))
    });
    pair.ok_or_else(|| format!("not one NAME=\"VALUE\": {text}"))
}

/// A list of words in JSON: there is no shell in the image.
fn words(text: &str) -> Result<Value> {
    serde_json::from_str::<Vec<String>>(text)
        .map(Value::from)
        .map_err(|_| format!("not a list of words: {text}"))
}

/// The health check. It is no part of OCI's specification; engines read it from images of this form all the same.
fn health(text: &str) -> Result<Value> {
    let (options, command) = text.split_once("CMD ").ok_or_else(|| format!("a check without CMD: {text}"))?;
    let mut test = vec!["CMD".into()];
    test.extend(words(command)?.as_array().into_iter().flatten().cloned());
    let mut health = json!({"Test": test});
    for option in options.split_whitespace() {
        let (name, value) =
            option.split_once('=').ok_or_else(|| format!("an option without a value: {option}"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("not a number: {option}"));
        let nanoseconds = || number(value.trim_end_matches('s')).map(|seconds| seconds * 1_000_000_000);
        match name {
            "--interval" => health["Interval"] = nanoseconds()?.into(),
            "--timeout" => health["Timeout"] = nanoseconds()?.into(),
            "--start-period" => health["StartPeriod"] = nanoseconds()?.into(),
            "--retries" => health["Retries"] = number(value)?.into(),
            _ => return Err(format!("cannot read the option {option}")),
        }
    }
    Ok(health)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_becomes_the_configuration_of_an_image() {
        let text = "# FROM scratch AS comment\nFROM rust AS build\nRUN cargo build \\\n    --release\nFROM scratch AS one\n\
            COPY --from=build /image/ /\nENV A=\"b c\"\nENV D=\"\"\nEXPOSE 80\nUSER 7:7\nVOLUME /data\n\
            HEALTHCHECK --interval=2s --retries=3 CMD [\"/x\", \"y\"]\nENTRYPOINT [\"/x\"]\nFROM scratch AS two\n";
        let read = stage(text, "one").unwrap();
        assert!(!read.has_data);
        let wanted = json!({
            "Env": ["A=b c", "D="], "ExposedPorts": {"80/tcp": {}}, "User": "7:7", "Volumes": {"/data": {}},
            "Healthcheck": {"Test": ["CMD", "/x", "y"], "Interval": 2_000_000_000, "Retries": 3}, "Entrypoint": ["/x"],
        });
        assert_eq!(Value::from(read.config), wanted);
        assert!(stage(text, "two").unwrap().config.is_empty());
        assert!(stage(text, "three").is_err());
    }

    #[test]
    fn an_instruction_that_would_be_lost_is_an_error() {
        for line in
            ["RUN ls", "ENTRYPOINT /x", "COPY . .", "ENV A=b C=d", "HEALTHCHECK --start-interval=1s CMD []"]
        {
            assert!(stage(&format!("FROM scratch AS one\n{line}\n"), "one").is_err(), "{line}");
        }
    }

    #[test]
    fn both_images_run_as_a_user_without_rights() {
        for name in ["gateway", "sandbox"] {
            assert_eq!(read(name).unwrap().config["User"], "65532:65532");
        }
    }
}
