//! Setting up a second factor, and taking it away.

use hongyan_store::StoreError;
use hongyan_store::types::{NewTotp, PersonChange};
use secrecy::SecretString;

use super::Person;
use super::sessions::{LoginError, Sessions};
use super::totp::Totp;
use crate::vault::{Purpose, VaultError};

/// A second factor that is not confirmed yet. Nothing of it is stored.
pub struct NewFactor {
    /// The secret, for the person's app.
    pub totp: Totp,
    /// The secret, sealed for this person: the form that confirms it brings it back.
    pub sealed: String,
}

/// Why a second factor was not set up.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The code is not the code of the new secret.
    #[error("the code is wrong")]
    WrongCode,
    /// The person has a second factor already, which only the password takes away.
    #[error("there is a second factor already")]
    Exists,
    /// The sealed secret is not one of this person.
    #[error(transparent)]
    Sealed(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Whether the person has a second factor.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_factor(&self, person: &Person) -> Result<bool, StoreError> {
        Ok(self.store.person(&person.name).await?.is_some_and(|person| person.totp.is_some()))
    }

    /// Makes a secret for a second factor.
    pub fn new_factor(&self, person: &Person) -> NewFactor {
        self.shown_again(person, Totp::generate())
    }

    /// The factor that a form brought back, to show it once more.
    ///
    /// # Errors
    /// When the secret was not sealed for this person.
    pub fn same_factor(&self, person: &Person, sealed: &str) -> Result<NewFactor, VaultError> {
        let sealed = hex::decode(sealed).map_err(|_| VaultError::Malformed)?;
        let text = self.vault.open_of(Purpose::Totp, &person.id.to_string(), &sealed)?;
        let totp = Totp::from_text(&text).ok_or(VaultError::Malformed)?;
        // Sealed anew: the master key may have been changed since.
        Ok(self.shown_again(person, totp))
    }

    fn shown_again(&self, person: &Person, totp: Totp) -> NewFactor {
        let sealed = self.vault.seal_of(Purpose::Totp, &person.id.to_string(), &totp.to_text());
        NewFactor { totp, sealed: hex::encode(sealed) }
    }

    /// Sets a second factor, after its first code. The code is used up.
    ///
    /// # Errors
    /// When the code is wrong, or the person has a second factor.
    pub async fn confirm_factor(
        &self,
        person: &Person,
        factor: &NewFactor,
        code: &str,
    ) -> Result<(), FactorError> {
        let _turn = self.codes.lock().await;
        if self.has_factor(person).await? {
            return Err(FactorError::Exists);
        }
        let step = factor.totp.step_of(code, self.clock.now(), 0).ok_or(FactorError::WrongCode)?;
        let sealed = hex::decode(&factor.sealed).map_err(|_| VaultError::Malformed)?;
        self.change_factor(person, Some(NewTotp { sealed, step })).await?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "set up a second factor");
        Ok(())
    }

    /// Takes the second factor away.
    ///
    /// # Errors
    /// When the password is wrong.
    pub async fn remove_factor(&self, person: &Person, password: SecretString) -> Result<(), LoginError> {
        let known = self.store.person(&person.name).await?;
        self.check(known.as_ref(), password).await?;
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
    use std::time::Duration;

    use hongyan_clock::{Clock, UnixMillis};
    use hongyan_ledger::ids::IdMaker;
    use hongyan_store::Store;
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::people::{LoggedIn, Role, admin};
    use crate::vault::{Vault, rotation};

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

    async fn note(sessions: &Sessions, password: &SecretString) -> SecretString {
        match sessions.log_in("lihua", password.clone()).await.unwrap() {
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
            let (record, password) =
                admin::add(&*store, &ids, &clock, name, Role::Viewer, None).await.unwrap();
            people.push((sessions.session_of(name).await.unwrap().unwrap().person, password));
            assert_eq!(people.last().unwrap().0.id, record.id);
        }
        let (lihua, password) = &people[0];

        let factor = sessions.new_factor(lihua);
        let code = factor.totp.code(step(&clock));
        assert!(sessions.same_factor(&people[1].0, &factor.sealed).is_err(), "it is sealed for one person");
        let wrong = if code == "000000" { "000001" } else { "000000" };
        assert!(matches!(sessions.confirm_factor(lihua, &factor, wrong).await, Err(FactorError::WrongCode)));
        let factor = sessions.same_factor(lihua, &factor.sealed).unwrap();
        sessions.confirm_factor(lihua, &factor, &code).await.unwrap();
        let again = sessions.confirm_factor(lihua, &sessions.new_factor(lihua), &code).await;
        assert!(matches!(again, Err(FactorError::Exists)), "a session alone does not replace a factor");

        // The code that confirmed the factor is used up.
        let given = note(&sessions, password).await;
        let used = sessions.log_in_with_code(&given, &code).await;
        assert!(matches!(used, Err(LoginError::WrongCode)));

        let both = Vault::from_key([2; 32]).with_previous([1; 32]).unwrap();
        let rotated = rotation::rotate(&*store, &both).await.unwrap();
        assert!(rotated.is_complete && rotated.unopened.is_empty(), "{rotated:?}");
        assert_eq!(rotated.resealed.values().sum::<u64>(), 1);
        assert!(matches!(
            sessions.log_in_with_code(&given, &factor.totp.code(step(&clock) + 1)).await,
            Err(LoginError::Sealed(_))
        ));
        let sessions = with(Vault::from_key([2; 32]));
        assert!(
            matches!(sessions.log_in_with_code(&given, &code).await, Err(LoginError::Over)),
            "the note was sealed with the key before"
        );
        let given = note(&sessions, password).await;
        clock.advance(30_000);
        let code = factor.totp.code(step(&clock));
        let token = sessions.log_in_with_code(&given, &code).await.unwrap();
        assert!(sessions.session(token.expose_secret()).await.unwrap().is_some());
        assert!(matches!(sessions.log_in_with_code(&given, &code).await, Err(LoginError::WrongCode)));

        // A note is good for a while, and for the password that was right.
        clock.advance(30_000);
        let next = factor.totp.code(step(&clock));
        let given = note(&sessions, password).await;
        clock.advance(Duration::from_secs(300).as_millis() as i64);
        assert!(matches!(sessions.log_in_with_code(&given, &next).await, Err(LoginError::Over)));
        let given = note(&sessions, password).await;
        admin::reset_password(&*store, lihua.id).await.unwrap();
        let next = factor.totp.code(step(&clock));
        assert!(matches!(sessions.log_in_with_code(&given, &next).await, Err(LoginError::Over)));
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
        let (_, password) =
            admin::add(&*store, &IdMaker::default(), &clock, "lihua", Role::Viewer, None).await.unwrap();
        let lihua = sessions.session_of("lihua").await.unwrap().unwrap().person;
        let factor = sessions.new_factor(&lihua);
        sessions.confirm_factor(&lihua, &factor, &factor.totp.code(step(&clock))).await.unwrap();
        let given = note(&sessions, &password).await;
        let guesses: Vec<_> = (0..50)
            .map(|_| {
                let (sessions, given) = (sessions.clone(), given.clone());
                tokio::spawn(async move { sessions.log_in_with_code(&given, "no code").await })
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
}
