//! `hongyan user`: people for the console, directly in the configured database, whether a gateway serves it or not.

use hongyan_clock::Clock;
use hongyan_gateway::audit::by_command_line;
use hongyan_gateway::people::admin::{self, NewPerson, PeopleError};
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_store::types::PersonRecord;
use hongyan_wechat::AppId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::cli::{UserArgs, UserCommand};
use crate::failure::Failure;
use crate::text::{say, word};
use crate::{database, output, settings};

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Store(error) => error.into(),
            PeopleError::Name
            | PeopleError::Taken(_)
            | PeopleError::Unknown(_)
            | PeopleError::LastAdmin(_) => Self::usage(&error),
            PeopleError::TooMany(_) => Self::run(&error),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(args: UserArgs) -> Result<(), Failure> {
    let settings = settings::load(args.command.config(), None)?;
    let opened = match &args.command {
        UserCommand::Add { .. } => database::open_or_make(&settings)?,
        _ => database::open(&settings)?,
    };
    if opened.is_new {
        output::warn(say!(
            "{} 没有数据库，已新建一个。如果有网关在运行，它用的是另一个数据库：请用 --data-dir、--database 或 --config 指定",
            "there was no database at {}, so a new one was made. If a gateway is running, it serves another one: name its \
             database with --data-dir, --database or --config",
            opened.path.display()
        ));
    }
    let store = &*opened.store;
    let done = match args.command {
        UserCommand::Add { name, role, apps, .. } => {
            add(store, &name, role.into(), (!apps.is_empty()).then_some(apps)).await
        }
        UserCommand::List { json, .. } => list(store, json).await,
        UserCommand::Set { name, role, apps, all_apps, .. } => {
            let apps = if all_apps { Some(None) } else { (!apps.is_empty()).then_some(Some(apps)) };
            if role.is_none() && apps.is_none() {
                Err(Failure::usage(say!(
                    "请给出要修改的内容：--role、--apps 或 --all-apps",
                    "say what to change: --role, --apps or --all-apps"
                )))
            } else {
                changed(store, "user set", &name, async |person| {
                    admin::change(store, person.id, role.map(Into::into), apps.clone()).await.map(|_| ())
                })
                .await
            }
        }
        UserCommand::ResetPassword { name, .. } => {
            changed(store, "user reset-password", &name, async |person| {
                let password = admin::reset_password(store, person.id).await?;
                say_password(&password).map_err(|_| PeopleError::Unknown(name.clone()))?;
                Ok(())
            })
            .await
        }
        UserCommand::Remove { name, .. } => {
            changed(store, "user remove", &name, async |person| admin::remove(store, person.id).await).await
        }
    };
    opened.store.close().await;
    done
}

async fn add(
    store: &dyn Store,
    name: &str,
    role: hongyan_gateway::people::Role,
    apps: Option<Vec<AppId>>,
) -> Result<(), Failure> {
    let clock = Clock::system();
    let (person, password) = by_command_line(store, &clock, "user add", None, async {
        let new = NewPerson { name, role, apps, must_change_password: true };
        let added = admin::add(store, &IdMaker::new(), &clock, new).await?;
        let id = added.0.id.to_string();
        Ok::<_, Failure>((added, Some(id)))
    })
    .await?;
    say_password(&password)?;
    output::remark(say!(
        "{}（{}）可以在 /console 用这个口令登录一次，登录后另设口令。口令没有保存，以后不再显示",
        "{} ({}) may log in at /console, once with this password, and chooses another one then. It is not stored and not \
         shown again",
        person.name,
        person.role
    ));
    Ok(())
}

/// The password stands alone on standard output.
fn say_password(password: &SecretString) -> Result<(), Failure> {
    output::line(password.expose_secret())
}

/// Makes a change about the person with this name, with its line in the audit trail.
async fn changed(
    store: &dyn Store,
    call: &str,
    name: &str,
    change: impl AsyncFnOnce(&PersonRecord) -> Result<(), PeopleError>,
) -> Result<(), Failure> {
    let name = admin::name_of(name)?;
    let person = store.person(&name).await?.ok_or(PeopleError::Unknown(name))?;
    let object = Some(person.id.to_string());
    by_command_line(store, &Clock::system(), call, object.clone(), async {
        change(&person).await?;
        Ok::<_, Failure>(((), object))
    })
    .await
}

async fn list(store: &dyn Store, as_json: bool) -> Result<(), Failure> {
    let people = store.people().await?;
    if as_json {
        let people: Vec<_> = people
            .iter()
            .map(|person| {
                json!({
                    "id": person.id,
                    "name": person.name,
                    "role": person.role,
                    "apps": person.apps,
                    "must_change_password": person.must_change_password,
                    "second_factor": person.totp.is_some(),
                    "created_at": person.created_at,
                    "logged_in_at": person.logged_in_at,
                })
            })
            .collect();
        return output::json(&json!({ "people": people }));
    }
    if people.is_empty() {
        output::remark(say!(
            "还没有人员；添加：hongyan user add NAME",
            "there is nobody; add a person with: hongyan user add NAME"
        ));
        return Ok(());
    }
    for person in people {
        let apps = person.apps.as_ref().map_or_else(
            || word("全部小程序", "all apps").to_owned(),
            |apps| apps.iter().map(AppId::as_str).collect::<Vec<_>>().join(","),
        );
        let seen = person.logged_in_at.map_or_else(
            || word("从未登录", "never logged in").to_owned(),
            |at| format!("{}{at}", word("上次登录 ", "logged in ")),
        );
        let factor = if person.totp.is_some() { word("  第二因素", "  second factor") } else { "" };
        output::line(&format!("{}  {}  {apps}  {seen}{factor}", person.name, person.role))?;
    }
    Ok(())
}
