//! Who is logged in.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::Clock;
use hongyan_ledger::PersonId;
use hongyan_store::types::{ConsoleSession, LoginLink, NewPassword, PersonChange, PersonRecord};
use hongyan_store::{Store, StoreError};
use secrecy::{ExposeSecret, SecretString};

use super::client::LoginClient;
use super::guesses::{Guesses, Turn};
use super::login_step::LoginStep;
use super::password::{self, TooMany};
use super::totp::Totp;
use super::weakness::Weakness;
use super::{Person, Role};
use crate::vault::{Purpose, Vault, VaultError, random_token, sha256};

/// What every token of a session begins with.
pub const SESSION_PREFIX: &str = "hyc_";

/// A session ends when it was not used for so long.
pub(super) const IDLE: Duration = Duration::from_secs(2 * 3_600);

/// A session ends after so long, however much it is used.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// When a session was last used is stored no more often than this.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// So long a right password waits for its code.
const CODE_WITHIN: Duration = Duration::from_secs(300);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub person: Arc<Person>,
    /// What a form must bring to have been sent from a page of this session.
    pub csrf: Arc<str>,
    /// Nothing is open but to change the password.
    pub must_change_password: bool,
    /// The person has logged in here, and has no second factor.
    pub lacks_factor: bool,
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
    #[error(transparent)]
    Weak(#[from] Weakness),
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
    pub(super) guesses: Guesses,
}

impl Sessions {
    /// The sessions in this store.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Clock) -> Self {
        Self { store, clock, vault, guesses: Guesses::default() }
    }

    /// Logs a person in who has no second factor; others are asked for a code.
    ///
    /// # Errors
    /// When name or password is wrong, or it cannot be found out now.
    pub async fn log_in(
        &self,
        name: &str,
        password: SecretString,
        client: LoginClient,
    ) -> Result<LoggedIn, LoginError> {
        let (_turn, person) = self.check(&name.trim().to_lowercase(), password).await?;
        if person.totp.is_some() {
            let step = LoginStep::new(&person, self.clock.now().plus(CODE_WITHIN));
            return Ok(LoggedIn::NeedsCode(step.seal(&self.vault)));
        }
        self.begin(&person, None, client).await.map(LoggedIn::Session)
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
        client: LoginClient,
    ) -> Result<SecretString, LoginError> {
        let turn = self.guesses.turn().await?;
        let now = self.clock.now();
        let step = LoginStep::open(&self.vault, note, now).ok_or(LoginError::Over)?;
        let known = self.store.person(&step.name).await?;
        let person = known.filter(|person| step.is_of(person)).ok_or(LoginError::Over)?;
        if let Some(wait) = turn.wait(&person.name, Some(&person), now) {
            return Err(LoginError::Wait(wait));
        }
        let (_turn, step) = self.check_code(turn, &person, code)?;
        self.begin(&person, Some(step), client).await
    }

    /// Checks the password of the person with this name, in a turn of its own, which the answer has. A name that nobody has
    /// costs as much time and makes the next try wait as long.
    pub(super) async fn check(
        &self,
        name: &str,
        password: SecretString,
    ) -> Result<(Turn, PersonRecord), LoginError> {
        let turn = self.guesses.turn().await?;
        let known = self.store.person(name).await?;
        if let Some(wait) = turn.wait(name, known.as_ref(), self.clock.now()) {
            return Err(LoginError::Wait(wait));
        }
        let hash = known.as_ref().map(|person| person.password.clone());
        let is_right = password.expose_secret().len() <= password::MAX_BYTES
            && password::is_right(password, hash).await?;
        match known {
            Some(person) if is_right => Ok((turn, person)),
            known => {
                self.failed(turn, name, known.map(|person| person.id));
                Err(LoginError::Wrong)
            }
        }
    }

    /// Checks a code of the person's second factor, in the turn of the password or of the note; the step of the code.
    pub(super) fn check_code(
        &self,
        turn: Turn,
        person: &PersonRecord,
        code: &str,
    ) -> Result<(Turn, i64), LoginError> {
        let sealed = person.totp.as_ref().ok_or(LoginError::Over)?;
        let text = self.vault.open_of(Purpose::Totp, &person.id.to_string(), sealed)?;
        let totp = Totp::from_text(&text).ok_or(VaultError::Malformed)?;
        match totp.step_of(code, self.clock.now(), person.totp_step) {
            Some(step) => Ok((turn, step)),
            None => {
                self.failed(turn, &person.name, Some(person.id));
                Err(LoginError::WrongCode)
            }
        }
    }

    /// Counts a wrong guess. The answer does not wait for the store, so its time does not tell whether the name exists; the
    /// turn ends when the failure is stored, so the next guess sees it.
    fn failed(&self, mut turn: Turn, name: &str, person: Option<PersonId>) {
        let (store, name, now) = (Arc::clone(&self.store), name.to_owned(), self.clock.now());
        tokio::spawn(async move {
            // A name that nobody has may be a password that was typed into the wrong field, so it is not logged.
            let Some(id) = person else { return turn.failed(&name, now) };
            tracing::warn!(target: "audit", person = %id, name, "a wrong password or code");
            if let Err(error) = store.login_failed(id, now).await {
                tracing::error!(%error, "a failed login could not be stored");
                turn.failed(&name, now);
            }
        });
    }

    async fn begin(
        &self,
        person: &PersonRecord,
        totp_step: Option<i64>,
        client: LoginClient,
    ) -> Result<SecretString, LoginError> {
        let token = random_token(SESSION_PREFIX);
        let now = self.clock.now();
        let session = ConsoleSession {
            hash: sha256(token.expose_secret()),
            person: person.id,
            created_at: now,
            used_at: now,
            expires_at: now.plus(LONGEST),
            address: client.address.map(|address| address.to_string()),
            user_agent: client.user_agent,
        };
        if !self.store.log_in(session, totp_step).await? {
            return Err(if totp_step.is_some() { LoginError::WrongCode } else { LoginError::Wrong });
        }
        let address = client.address.map(tracing::field::display);
        tracing::info!(target: "audit", person = %person.id, name = person.name, address, "logged in");
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
    pub async fn follow_link(&self, token: &str, client: LoginClient) -> Result<SecretString, LoginError> {
        let person = self.store.take_login_link(sha256(token), self.clock.now()).await?;
        self.begin(&person.ok_or(LoginError::Wrong)?, None, client).await
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
        let (must_change_password, lacks_factor) = (person.must_change_password, person.totp.is_none());
        let Some(person) = known_role(person) else { return Ok(None) };
        let csrf = hex::encode(sha256(&format!("form {token}")));
        Ok(Some(Session { person: Arc::new(person), csrf: csrf.into(), must_change_password, lacks_factor }))
    }

    /// The session of a person whom a proxy has logged in. It is stored nowhere, and the person's password does not matter.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_of(&self, name: &str) -> Result<Option<Session>, StoreError> {
        let person = self.store.person(&name.trim().to_lowercase()).await?;
        let Some(person) = person.and_then(known_role) else { return Ok(None) };
        // No session token that it could depend on. Any node answers the form that another node has drawn.
        let csrf = self.vault.derived(&format!("form {}", person.id));
        let csrf = csrf.expose_secret().into();
        Ok(Some(Session { person: Arc::new(person), csrf, must_change_password: false, lacks_factor: false }))
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
        if let Some(weakness) = Weakness::of(new.expose_secret(), &person.name) {
            return Err(weakness.into());
        }
        if old.expose_secret() == new.expose_secret() {
            return Err(Weakness::Same.into());
        }
        let (_turn, _) = self.check(&person.name, old).await?;
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

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};

    use super::*;
    use crate::people::admin::{self, NewPerson};

    const GUESSES: usize = 12;

    /// Sessions of a person `lihua`, and the right password.
    async fn sessions(dir: &std::path::Path) -> (Sessions, SecretString) {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(dir.join("h.db"))).unwrap());
        let clock = Clock::system();
        let new = NewPerson { name: "lihua", role: Role::Viewer, apps: None, must_change_password: false };
        let (_, password) = admin::add(&*store, &IdMaker::default(), &clock, new).await.unwrap();
        (Sessions::new(store, Arc::new(Vault::from_key([1; 32])), clock), password)
    }

    /// How many of the guesses at a name that come at the same time are compared.
    async fn compared(sessions: &Sessions, name: &'static str) -> usize {
        let guess = || {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                sessions.log_in(name, "wrong password".into(), LoginClient::default()).await
            })
        };
        let guesses: Vec<_> = (0..GUESSES).map(|_| guess()).collect();
        let mut compared = 0;
        for guess in guesses {
            match guess.await.unwrap() {
                Err(LoginError::Wrong) => compared += 1,
                Err(LoginError::Wait(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        compared
    }

    #[tokio::test]
    async fn any_node_with_the_master_key_answers_a_form_of_somebody_whom_a_proxy_names() {
        let dir = tempfile::tempdir().unwrap();
        let (one, _) = sessions(dir.path()).await;
        let token = async |key: u8| {
            let node =
                Sessions::new(one.store.clone(), Arc::new(Vault::from_key([key; 32])), one.clock.clone());
            node.session_of("lihua").await.unwrap().unwrap().csrf
        };
        let own = one.session_of("lihua").await.unwrap().unwrap().csrf;
        assert_eq!(token(1).await, own);
        assert_ne!(token(2).await, own, "who does not have the key cannot compute it");
    }

    #[tokio::test]
    async fn of_passwords_that_are_guessed_at_the_same_time_a_few_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        let (sessions, password) = sessions(dir.path()).await;
        // A name that nobody has waits as long, so a wait does not tell that there is such a person.
        for name in ["lihua", "nobody"] {
            assert_eq!(compared(&sessions, name).await, 5, "{name}");
            assert!(matches!(
                sessions.log_in(name, password.clone(), LoginClient::default()).await,
                Err(LoginError::Wait(_))
            ));
        }
        assert_eq!(sessions.store.person("lihua").await.unwrap().unwrap().failures, 5);
        sessions.clock.advance(1_000);
        assert!(matches!(
            sessions.log_in("nobody", password.clone(), LoginClient::default()).await,
            Err(LoginError::Wrong)
        ));
        assert!(matches!(
            sessions.log_in("lihua", password.clone(), LoginClient::default()).await,
            Ok(LoggedIn::Session(_))
        ));
        assert_eq!(sessions.store.person("lihua").await.unwrap().unwrap().failures, 0);
        sessions.store.close().await;
    }
}
