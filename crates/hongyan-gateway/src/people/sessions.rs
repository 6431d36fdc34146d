//! Who is logged in.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::types::{ConsoleSession, LoginLink, NewPassword, PersonChange, PersonRecord};
use hongyan_store::{Store, StoreError};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::login_step::LoginStep;
use super::password::{self, TooMany};
use super::totp::Totp;
use super::{Person, Role};
use crate::vault::{Purpose, Vault, VaultError, random_token, sha256};

/// What every token of a session begins with.
pub const SESSION_PREFIX: &str = "hyc_";

/// A session ends when it was not used for so long.
const IDLE: Duration = Duration::from_secs(2 * 3_600);

/// A session ends after so long, however much it is used.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// When a session was last used is stored no more often than this.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// How many wrong passwords in a row cost a person nothing.
const FREE_FAILURES: u32 = 4;

/// So long a right password waits for its code.
const CODE_WITHIN: Duration = Duration::from_secs(300);

/// The longest that somebody waits after wrong passwords. It is short, for anybody who knows the name can cause it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub person: Arc<Person>,
    /// What a form must bring to have been sent from a page of this session.
    pub csrf: Arc<str>,
    /// Nothing is open but to change the password.
    pub must_change_password: bool,
}

/// What a right password leads to.
#[derive(Debug)]
pub enum LoggedIn {
    /// A session: the token for the cookie.
    Session(SecretString),
    /// The page that asks for a code: the note that it brings back.
    NeedsCode(SecretString),
}

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such person, or the password is another. It is not said which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// The code is wrong, or was used before.
    #[error("the code is wrong, or was used before")]
    WrongCode,
    /// The code took too long, or the password was changed meanwhile.
    #[error("the password must be given once more")]
    Over,
    /// The second factor cannot be checked.
    #[error("the secret of the second factor cannot be opened: {0}")]
    Sealed(#[from] VaultError),
    /// Too many passwords or codes were wrong before.
    #[error("too many wrong passwords; try again in {} seconds", .0.as_secs().max(1))]
    Wait(Duration),
    /// Too many people log in.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The password is not good enough.
    #[error("{0}")]
    Weak(String),
    /// The password that the person has now is another, or somebody has tried too often.
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// Logs people in and out.
#[derive(Clone)]
pub struct Sessions {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) vault: Arc<Vault>,
    /// One code is checked at a time: of guesses at the same time, each must see the failures of the others.
    pub(super) codes: Arc<Mutex<()>>,
    /// What the forms of people bring whom a proxy has logged in is derived from this.
    forms: Arc<SecretString>,
}

impl Sessions {
    /// The sessions in this store.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Clock) -> Self {
        Self { store, clock, vault, codes: Arc::default(), forms: Arc::new(random_token("")) }
    }

    /// Logs a person in who has no second factor; others are asked for a code.
    ///
    /// # Errors
    /// When name or password is wrong, or it cannot be found out now.
    pub async fn log_in(&self, name: &str, password: SecretString) -> Result<LoggedIn, LoginError> {
        let known = self.store.person(&name.trim().to_lowercase()).await?;
        self.check(known.as_ref(), password).await?;
        // Without a record the password is never right.
        let person = known.ok_or(LoginError::Wrong)?;
        if person.totp.is_some() {
            let step = LoginStep::new(&person, self.clock.now().plus(CODE_WITHIN));
            return Ok(LoggedIn::NeedsCode(step.seal(&self.vault)));
        }
        self.begin(&person, None).await.map(LoggedIn::Session)
    }

    /// Logs a person in who has given the right password, and now a code; the token for the cookie. A wrong code is a
    /// failure like a wrong password, and a right password alone forgives no failure.
    ///
    /// # Errors
    /// When the code is wrong, the password was given too long ago, or it cannot be found out now.
    pub async fn log_in_with_code(
        &self,
        note: &SecretString,
        code: &str,
    ) -> Result<SecretString, LoginError> {
        let _turn = self.codes.lock().await;
        let now = self.clock.now();
        let step = LoginStep::open(&self.vault, note, now).ok_or(LoginError::Over)?;
        let known = self.store.person(&step.name).await?;
        let person = known.filter(|person| step.is_of(person)).ok_or(LoginError::Over)?;
        if let Some(wait) = wait_of(&person, now) {
            return Err(LoginError::Wait(wait));
        }
        let sealed = person.totp.as_ref().ok_or(LoginError::Over)?;
        let text = self.vault.open_of(Purpose::Totp, &person.id.to_string(), sealed)?;
        let totp = Totp::from_text(&text).ok_or(VaultError::Malformed)?;
        match totp.step_of(code, now, person.totp_step) {
            Some(step) => self.begin(&person, Some(step)).await,
            None => {
                self.store.login_failed(person.id, now).await?;
                Err(LoginError::WrongCode)
            }
        }
    }

    /// Whether a password is this person's.
    pub(super) async fn check(
        &self,
        person: Option<&PersonRecord>,
        password: SecretString,
    ) -> Result<(), LoginError> {
        if let Some(wait) = person.and_then(|person| wait_of(person, self.clock.now())) {
            return Err(LoginError::Wait(wait));
        }
        let hash = person.map(|person| person.password.clone());
        if password.expose_secret().len() <= password::MAX_BYTES && password::is_right(password, hash).await?
        {
            return Ok(());
        }
        if let Some(person) = person {
            self.store.login_failed(person.id, self.clock.now()).await?;
        }
        Err(LoginError::Wrong)
    }

    async fn begin(&self, person: &PersonRecord, totp_step: Option<i64>) -> Result<SecretString, LoginError> {
        let token = random_token(SESSION_PREFIX);
        let now = self.clock.now();
        let session = ConsoleSession {
            hash: sha256(token.expose_secret()),
            person: person.id,
            created_at: now,
            used_at: now,
            expires_at: now.plus(LONGEST),
        };
        if !self.store.log_in(session, totp_step).await? {
            return Err(if totp_step.is_some() { LoginError::WrongCode } else { LoginError::Wrong });
        }
        tracing::info!(target: "audit", person = %person.id, name = person.name, "logged in");
        Ok(token)
    }

    /// A token for a link that logs a person in, once, within so long.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn link(&self, person: &PersonRecord, good_for: Duration) -> Result<SecretString, StoreError> {
        let token = random_token(SESSION_PREFIX);
        let hash = sha256(token.expose_secret());
        let expires_at = self.clock.now().plus(good_for);
        self.store.add_login_link(LoginLink { hash, person: person.id, expires_at }).await?;
        Ok(token)
    }

    /// Uses such a link up, and logs its person in.
    ///
    /// # Errors
    /// When nobody knows the link any more, or the store fails.
    pub async fn follow_link(&self, token: &str) -> Result<SecretString, LoginError> {
        let person = self.store.take_login_link(sha256(token), self.clock.now()).await?;
        self.begin(&person.ok_or(LoginError::Wrong)?, None).await
    }

    /// Who is logged in with this token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, StoreError> {
        let (hash, now) = (sha256(token), self.clock.now());
        let Some((session, person)) = self.store.console_session(hash, now).await? else { return Ok(None) };
        if now.since(session.used_at) >= IDLE {
            self.store.end_console_session(hash).await?;
            return Ok(None);
        }
        if now.since(session.used_at) >= USE_NOTED_EVERY {
            self.store.console_session_used(hash, now).await?;
        }
        let must_change_password = person.must_change_password;
        let Some(person) = known_role(person) else { return Ok(None) };
        let csrf = hex::encode(sha256(&format!("form {token}")));
        Ok(Some(Session { person: Arc::new(person), csrf: csrf.into(), must_change_password }))
    }

    /// The session of a person whom a proxy has logged in. It is stored nowhere, and the person's password does not matter.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_of(&self, name: &str) -> Result<Option<Session>, StoreError> {
        let person = self.store.person(&name.trim().to_lowercase()).await?;
        let Some(person) = person.and_then(known_role) else { return Ok(None) };
        let csrf = hex::encode(sha256(&format!("form {} {}", self.forms.expose_secret(), person.id)));
        Ok(Some(Session { person: Arc::new(person), csrf: csrf.into(), must_change_password: false }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_out(&self, token: &str) -> Result<(), StoreError> {
        self.store.end_console_session(sha256(token)).await?;
        Ok(())
    }

    /// Changes the password of a person who is logged in with this token, and ends the person's other sessions.
    ///
    /// # Errors
    /// When the new one is not good enough, or the old one is wrong.
    pub async fn change_password(
        &self,
        person: &Person,
        token: &str,
        old: SecretString,
        new: SecretString,
    ) -> Result<(), PasswordError> {
        if let Some(complaint) = password::complaint(new.expose_secret(), &person.name) {
            return Err(PasswordError::Weak(complaint));
        }
        if old.expose_secret() == new.expose_secret() {
            return Err(PasswordError::Weak("this is the password that you have now".to_owned()));
        }
        let known = self.store.person(&person.name).await.map_err(LoginError::from)?;
        self.check(known.as_ref(), old).await?;
        let hash = password::hash(new).await.map_err(LoginError::from)?;
        let password = NewPassword { hash, must_change: false, keep_session: Some(sha256(token)) };
        let change = PersonChange { password: Some(password), ..PersonChange::default() };
        self.store.change_person(person.id, change).await.map_err(LoginError::from)?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "changed the own password");
        Ok(())
    }
}

/// A person, unless this version does not know the person's role: then the person may do nothing.
fn known_role(person: PersonRecord) -> Option<Person> {
    let role = Role::from_name(&person.role)?;
    Some(Person { id: person.id, name: person.name.into(), role, apps: person.apps })
}

/// How long a person must wait for the next try: nothing for a few, then twice as long each time.
fn wait_of(person: &PersonRecord, now: UnixMillis) -> Option<Duration> {
    let failed_at = person.failed_at?;
    let beyond = person.failures.checked_sub(FREE_FAILURES)?.checked_sub(1)?;
    let wait = Duration::from_secs(1 << beyond.min(20)).min(LONGEST_WAIT);
    let passed = now.since(failed_at);
    wait.checked_sub(passed).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;

    use super::*;

    #[test]
    fn each_wrong_password_beyond_a_few_makes_the_next_try_wait_twice_as_long() {
        let at = UnixMillis(1_000_000);
        let person = |failures| PersonRecord {
            id: IdMaker::default().person(at),
            name: "lihua".into(),
            role: "viewer".into(),
            apps: None,
            password: String::new(),
            must_change_password: false,
            totp: None,
            totp_step: 0,
            failures,
            failed_at: (failures > 0).then_some(at),
            created_at: at,
            logged_in_at: None,
        };
        let seconds = |failures| wait_of(&person(failures), at).map(|wait| wait.as_secs());
        assert_eq!([0, 1, 4].map(seconds), [None, None, None]);
        assert_eq!([5, 6, 7, 13, 14, 4_000_000_000].map(seconds), [1, 2, 4, 256, 300, 300].map(Some));
        assert_eq!(wait_of(&person(6), at.plus(Duration::from_secs(2))), None, "the time has passed");
    }
}
