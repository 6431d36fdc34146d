//! The secrets that a demo with a kept data directory must remember itself: the API key and the gateway secret. The
//! gateway keeps only hashes of them.

use std::io::{ErrorKind, Write};
use std::path::Path;

use hongyan_gateway::Context;
use hongyan_gateway::apps::{AppChange, NewApp};
use hongyan_gateway::keys::{NewKey, Scope, create_key};
use hongyan_gateway::vault::sha256;
use hongyan_sandbox::Seed;
use hongyan_wechat::{AppId, SecretString};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::text::say;

/// The name of the file in the data directory.
const FILE: &str = "demo-credentials.json";

/// The secrets that the demo prints, besides those that the sandbox knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) api_key: String,
    pub(crate) gateway_secret: String,
}

impl Credentials {
    /// Returns the secrets of the last run if they still work, otherwise new secrets. Registers the sandbox's app if
    /// necessary.
    ///
    /// # Errors
    /// When the store fails or the file cannot be written.
    pub(crate) async fn ensure(context: &Context, seed: &Seed, data_dir: &Path) -> Result<Self, Failure> {
        let appid: AppId = seed.appid.parse().map_err(|error| {
            Failure::run(say!("沙箱的 appid 不可用：{error}", "the sandbox's appid: {error}"))
        })?;
        let known = load(data_dir)?;
        let credentials = Self {
            gateway_secret: gateway_secret(context, &appid, seed, known.as_ref()).await?,
            api_key: api_key(context, known.as_ref()).await?,
        };
        if known.as_ref() != Some(&credentials) {
            save(data_dir, &credentials)?;
        }
        Ok(credentials)
    }
}

async fn gateway_secret(
    context: &Context,
    appid: &AppId,
    seed: &Seed,
    known: Option<&Credentials>,
) -> Result<String, Failure> {
    let refused = |problem: hongyan_gateway::problem::Problem| {
        Failure::run(say!(
            "不能登记沙箱的小程序：{} ({})",
            "the sandbox's app cannot be registered: {} ({})",
            problem.detail,
            problem.code
        ))
    };
    if context.apps.get(appid).is_none() {
        let new = NewApp {
            appid: appid.clone(),
            secret: SecretString::from(seed.app_secret.as_str()),
            change: AppChange { name: Some("Sandbox 沙箱".into()), ..AppChange::default() },
        };
        let (_, secret, report) = context.apps.register(new).await.map_err(refused)?;
        if let Some(trouble) = report.trouble() {
            tracing::warn!(?trouble, "the sandbox's templates could not be read");
        }
        return Ok(secret.expose_secret().to_owned());
    }
    let held =
        known.filter(|known| context.apps.check_gateway_secret(appid, &known.gateway_secret).is_some());
    if let Some(known) = held {
        return Ok(known.gateway_secret.clone());
    }
    let change = AppChange { rotate_gateway_secret: true, ..AppChange::default() };
    let (_, secret) = context.apps.change(appid, change).await.map_err(refused)?;
    let secret = secret.ok_or_else(|| {
        Failure::run(say!("网关没有生成新的 gateway secret", "the gateway made no new gateway secret"))
    })?;
    Ok(secret.expose_secret().to_owned())
}

async fn api_key(context: &Context, known: Option<&Credentials>) -> Result<String, Failure> {
    if let Some(known) = known
        && let Some(record) = context.store.key(sha256(&known.api_key)).await?
        && record.revoked_at.is_none()
    {
        return Ok(known.api_key.clone());
    }
    // The demo is for trying everything, also for making keys.
    let new = NewKey::new("demo", &[Scope::All, Scope::Keys]);
    let (_, key) = create_key(&*context.store, &context.ids, &context.clock, new).await?;
    Ok(key.expose_secret().to_owned())
}

fn load(data_dir: &Path) -> Result<Option<Credentials>, Failure> {
    let path = data_dir.join(FILE);
    match std::fs::read(&path) {
        // An unreadable file is replaced: both secrets in it can be made again.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::cannot_read(&path, &error)),
    }
}

fn save(data_dir: &Path, credentials: &Credentials) -> Result<(), Failure> {
    let path = data_dir.join(FILE);
    let failed = |error: std::io::Error| Failure::cannot_write(&path, &error);
    // Temporary files are readable by their owner only; the rename replaces the old file in one step.
    let mut file = tempfile::NamedTempFile::new_in(data_dir).map_err(failed)?;
    let text = serde_json::to_string_pretty(credentials).map_err(|error| failed(error.into()))?;
    writeln!(file, "{text}").map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials { api_key: "hyk_a".into(), gateway_secret: "hyg_b".into() };
        assert_eq!(load(dir.path()).unwrap(), None);
        save(dir.path(), &credentials).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(credentials));
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
    }
}
