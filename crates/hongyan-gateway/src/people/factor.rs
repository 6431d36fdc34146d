//! Setting up a second factor, and taking it away.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_store::StoreError;
use hongyan_store::types::{NewTotp, PersonChange, PersonRecord};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Person;
use super::password::TooMany;
use super::sessions::{LoginError, Sessions};
use super::totp::Totp;
use crate::vault::{Purpose, Vault, sha256};

/// So long a new secret waits for its first code.
const CONFIRM_WITHIN: Duration = Duration::from_secs(600);

/// A second factor that is not confirmed yet. Nothing of it is stored.
pub struct NewFactor {
    /// The secret, for the person's app.
    pub totp: Totp,
    /// The secret, sealed for this person and the password that was given: the form that confirms the secret brings it back.
    pub sealed: String,
}

/// Why a second factor was not set up.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The code is not the code of the new secret, which is shown once more.
    #[error("the code is wrong")]
    WrongCode(Box<NewFactor>),
    /// The person has a second factor already, which must be taken away first.
    #[error("there is a second factor already")]
    Exists,
    /// The sealed secret is another person's, its time is over, or the password was changed meanwhile.
    #[error("the password must be given once more")]
    Over,
    /// The password is wrong, or cannot be checked now.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Too many people log in.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl std::fmt::Debug for NewFactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NewFactor(…)")
    }
}

/// What a form carries between the password and the first code.
#[derive(Serialize, Deserialize)]
struct FactorStep {
    secret: String,
    until: UnixMillis,
    /// SHA-256 of the stored hash, in hexadecimal: another password makes the secret void.
    password: String,
}

impl FactorStep {
    fn seal(&self, vault: &Vault, person: &Person) -> String {
        let text = serde_json::to_string(self).expect("a struct of texts and numbers is JSON");
        hex::encode(vault.seal_of(Purpose::FactorStep, &person.id.to_string(), &text.into()))
    }

    fn open(vault: &Vault, person: &Person, sealed: &str) -> Option<Self> {
        let sealed = hex::decode(sealed).ok()?;
        let text = vault.open_of(Purpose::FactorStep, &person.id.to_string(), &sealed).ok()?;
        serde_json::from_str(text.expose_secret()).ok()
    }

    fn is_good(&self, person: &PersonRecord, now: UnixMillis) -> bool {
        now < self.until && self.password == digest(person)
    }
}

/// Changes with the password.
fn digest(person: &PersonRecord) -> String {
    hex::encode(sha256(&person.password))
}

impl Sessions {
    /// Whether the person has a second factor.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_factor(&self, person: &Person) -> Result<bool, StoreError> {
        Ok(self.store.person(&person.name).await?.is_some_and(|person| person.totp.is_some()))
    }

    /// Makes a secret for a second factor. The password is asked for, so that a session that somebody else has got hold of
    /// does not lock its person out.
    ///
    /// # Errors
    /// When the password is wrong, or the person has a second factor.
    pub async fn new_factor(
        &self,
        person: &Person,
        password: SecretString,
    ) -> Result<NewFactor, FactorError> {
        let (_turn, known) = self.check(&person.name, password).await?;
        if known.totp.is_some() {
            return Err(FactorError::Exists);
        }
        let totp = Totp::generate();
        let step = FactorStep {
            secret: totp.to_text().expose_secret().to_owned(),
            until: self.clock.now().plus(CONFIRM_WITHIN),
            password: digest(&known),
        };
        Ok(NewFactor { totp, sealed: step.seal(&self.vault, person) })
    }

    /// Sets a second factor, after its first code. The code is used up.
    ///
    /// # Errors
    /// When the code is wrong, the password was given too long ago, or the person has a second factor.
    pub async fn confirm_factor(&self, person: &Person, sealed: &str, code: &str) -> Result<(), FactorError> {
        let _turn = self.guesses.turn().await?;
        let now = self.clock.now();
        let known = self.store.person(&person.name).await?.ok_or(FactorError::Over)?;
        let step = FactorStep::open(&self.vault, person, sealed).filter(|step| step.is_good(&known, now));
        let step = step.ok_or(FactorError::Over)?;
        let totp = Totp::from_text(&step.secret.as_str().into()).ok_or(FactorError::Over)?;
        if known.totp.is_some() {
            return Err(FactorError::Exists);
        }
        let Some(used) = totp.step_of(code, now, 0) else {
            // Sealed anew: the master key may have been changed since.
            let sealed = step.seal(&self.vault, person);
            return Err(FactorError::WrongCode(Box::new(NewFactor { totp, sealed })));
        };
        let sealed = self.vault.seal_of(Purpose::Totp, &person.id.to_string(), &totp.to_text());
        self.change_factor(person, Some(NewTotp { sealed, step: used })).await?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "set up a second factor");
        Ok(())
    }

    /// Takes the second factor away. The password and a code are asked for, so that neither a session nor a password alone
    /// is enough.
    ///
    /// # Errors
    /// When the password or the code is wrong.
    pub async fn remove_factor(
        &self,
        person: &Person,
        password: SecretString,
        code: &str,
    ) -> Result<(), LoginError> {
        let (turn, known) = self.check(&person.name, password).await?;
        if known.totp.is_none() {
            return Ok(());
        }
        let (_turn, _) = self.check_code(turn, &known, code)?;
        self.change_factor(person, None).await?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "took the own second factor away");
        Ok(())
    }

    async fn change_factor(&self, person: &Person, totp: Option<NewTotp>) -> Result<(), StoreError> {
        let change = PersonChange { totp: Some(totp), ..PersonChange::default() };
        self.store.change_person(person.id, change).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hongyan_clock::Clock;
    use hongyan_ledger::ids::IdMaker;
    use hongyan_store::Store;
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};

    use super::*;
    use crate::people::admin::{self, NewPerson};
    use crate::people::{LoggedIn, LoginClient, Role};
    use crate::vault::rotation;

    /// A clock at the beginning of a step.
    fn clock_at_a_step() -> Clock {
        let clock = Clock::system();
        clock.set(UnixMillis(1_700_000_010_000));
        clock
    }

    /// The number of the step that the clock shows.
    fn step(clock: &Clock) -> i64 {
        clock.now().as_seconds() / 30
    }

    /// Gives a code after the right password.
    async fn give(sessions: &Sessions, given: &SecretString, code: &str) -> Result<SecretString, LoginError> {
        sessions.log_in_with_code(given, code, LoginClient::default()).await
    }

    fn viewer(name: &str) -> NewPerson<'_> {
        NewPerson { name, role: Role::Viewer, apps: None, must_change_password: true }
    }

    async fn note(sessions: &Sessions, password: &SecretString) -> SecretString {
        match sessions.log_in("lihua", password.clone(), LoginClient::default()).await.unwrap() {
            LoggedIn::NeedsCode(note) => note,
            LoggedIn::Session(_) => panic!("no code is asked for"),
        }
    }

    #[tokio::test]
    async fn a_second_factor_is_set_for_its_person_alone_and_outlives_a_change_of_the_master_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap());
        let clock = clock_at_a_step();
        let with =
            |vault| Sessions::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(vault), clock.clone());
        let sessions = with(Vault::from_key([1; 32]));
        let ids = IdMaker::default();
        let mut people = Vec::new();
        for name in ["lihua", "wang"] {
            let (record, password) = admin::add(&*store, &ids, &clock, viewer(name)).await.unwrap();
            people.push((sessions.session_of(name).await.unwrap().unwrap().person, password));
            assert_eq!(people.last().unwrap().0.id, record.id);
        }
        let (lihua, password) = &people[0];

        let no_factor = sessions.new_factor(lihua, "a wrong password".into()).await;
        assert!(
            matches!(no_factor, Err(FactorError::Login(LoginError::Wrong))),
            "a session alone is not enough"
        );
        let factor = sessions.new_factor(lihua, password.clone()).await.unwrap();
        let code = factor.totp.code(step(&clock));
        let others = sessions.confirm_factor(&people[1].0, &factor.sealed, &code).await;
        assert!(matches!(others, Err(FactorError::Over)), "it is sealed for one person");
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let Err(FactorError::WrongCode(factor)) = sessions.confirm_factor(lihua, &factor.sealed, wrong).await
        else {
            panic!("the code is wrong")
        };
        assert_eq!(factor.totp.code(step(&clock)), code, "the same secret is shown once more");
        sessions.confirm_factor(lihua, &factor.sealed, &code).await.unwrap();
        let again = sessions.confirm_factor(lihua, &factor.sealed, &code).await;
        assert!(matches!(again, Err(FactorError::Exists)));
        let another = sessions.new_factor(lihua, password.clone()).await;
        assert!(matches!(another, Err(FactorError::Exists)), "the old factor must be taken away first");

        // The code that confirmed the factor is used up.
        let given = note(&sessions, password).await;
        let used = give(&sessions, &given, &code).await;
        assert!(matches!(used, Err(LoginError::WrongCode)));

        let both = Vault::from_key([2; 32]).with_previous([1; 32]).unwrap();
        let rotated = rotation::rotate(&*store, &both).await.unwrap();
        assert!(rotated.is_complete && rotated.unopened.is_empty(), "{rotated:?}");
        assert_eq!(rotated.resealed.values().sum::<u64>(), 1);
        assert!(matches!(
            give(&sessions, &given, &factor.totp.code(step(&clock) + 1)).await,
            Err(LoginError::Sealed(_))
        ));
        let sessions = with(Vault::from_key([2; 32]));
        assert!(
            matches!(give(&sessions, &given, &code).await, Err(LoginError::Over)),
            "the note was sealed with the key before"
        );
        let given = note(&sessions, password).await;
        clock.advance(30_000);
        let code = factor.totp.code(step(&clock));
        let token = give(&sessions, &given, &code).await.unwrap();
        assert!(sessions.session(token.expose_secret()).await.unwrap().is_some());
        assert!(matches!(give(&sessions, &given, &code).await, Err(LoginError::WrongCode)));

        // A note is good for a while, and for the password that was right.
        clock.advance(30_000);
        let next = factor.totp.code(step(&clock));
        let given = note(&sessions, password).await;
        clock.advance(Duration::from_secs(300).as_millis() as i64);
        assert!(matches!(give(&sessions, &given, &next).await, Err(LoginError::Over)));
        let given = note(&sessions, password).await;
        admin::reset_password(&*store, lihua.id).await.unwrap();
        let next = factor.totp.code(step(&clock));
        assert!(matches!(give(&sessions, &given, &next).await, Err(LoginError::Over)));
        assert!(!sessions.has_factor(lihua).await.unwrap(), "a reset takes the factor away");
        store.close().await;
    }

    #[tokio::test]
    async fn of_codes_that_are_guessed_at_the_same_time_a_few_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap());
        let clock = clock_at_a_step();
        let sessions = Sessions::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(Vault::from_key([1; 32])),
            clock.clone(),
        );
        let (_, password) = admin::add(&*store, &IdMaker::default(), &clock, viewer("lihua")).await.unwrap();
        let lihua = sessions.session_of("lihua").await.unwrap().unwrap().person;
        let factor = sessions.new_factor(&lihua, password.clone()).await.unwrap();
        let code = factor.totp.code(step(&clock));
        sessions.confirm_factor(&lihua, &factor.sealed, &code).await.unwrap();
        let given = note(&sessions, &password).await;
        let guesses: Vec<_> = (0..50)
            .map(|_| {
                let (sessions, given) = (sessions.clone(), given.clone());
                tokio::spawn(async move { give(&sessions, &given, "no code").await })
            })
            .collect();
        let mut checked = 0;
        for guess in guesses {
            match guess.await.unwrap() {
                Err(LoginError::WrongCode) => checked += 1,
                Err(LoginError::Wait(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(checked, 5);
        store.close().await;
    }
    #[tokio::test]
    async fn a_new_secret_is_void_after_a_while_and_with_another_password() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(SqliteConfig::new(dir.path().join("h.db"))).unwrap());
        let clock = clock_at_a_step();
        let sessions = Sessions::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(Vault::from_key([1; 32])),
            clock.clone(),
        );
        let (record, password) =
            admin::add(&*store, &IdMaker::default(), &clock, viewer("lihua")).await.unwrap();
        let lihua = sessions.session_of("lihua").await.unwrap().unwrap().person;
        let confirm = async |factor: NewFactor| {
            sessions.confirm_factor(&lihua, &factor.sealed, &factor.totp.code(step(&clock))).await
        };
        let factor = sessions.new_factor(&lihua, password.clone()).await.unwrap();
        clock.advance(CONFIRM_WITHIN.as_millis() as i64);
        assert!(matches!(confirm(factor).await, Err(FactorError::Over)));
        let factor = sessions.new_factor(&lihua, password).await.unwrap();
        admin::reset_password(&*store, record.id).await.unwrap();
        assert!(matches!(confirm(factor).await, Err(FactorError::Over)));
        assert!(!sessions.has_factor(&lihua).await.unwrap());
        store.close().await;
    }
}
