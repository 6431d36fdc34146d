//! A person's own sessions: which are open, and ending them.

use hongyan_clock::UnixMillis;
use hongyan_store::StoreError;
use hongyan_store::types::ConsoleSession;

use super::Person;
use super::sessions::{IDLE, Sessions};
use crate::vault::sha256;

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Names the session among those of its person. Nobody logs in with it.
    pub id: String,
    /// When the person logged in.
    pub created_at: UnixMillis,
    /// When the session was last used, to the minute or so.
    pub used_at: UnixMillis,
    /// When the session ends if it is not used any more.
    pub ends_at: UnixMillis,
    /// The address of the client that logged in, if it is known.
    pub address: Option<String>,
    /// What that client says of itself, if it does.
    pub user_agent: Option<String>,
    /// The request that asks is of this session.
    pub is_this: bool,
}

/// The hash of the token, which tells nothing about the token.
fn id(session: &ConsoleSession) -> String {
    hex::encode(session.hash)
}

impl Sessions {
    /// The sessions of a person, newest first. `token`: the token of the request, if it has one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_sessions(
        &self,
        person: &Person,
        token: Option<&str>,
    ) -> Result<Vec<OpenSession>, StoreError> {
        let this = token.map(sha256);
        let sessions = self.open(person).await?.into_iter().map(|session| OpenSession {
            id: id(&session),
            created_at: session.created_at,
            used_at: session.used_at,
            ends_at: session.used_at.plus(IDLE).min(session.expires_at),
            is_this: this == Some(session.hash),
            address: session.address,
            user_agent: session.user_agent,
        });
        Ok(sessions.collect())
    }

    /// Ends one session of a person. A session of somebody else stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_own_session(&self, person: &Person, session: &str) -> Result<(), StoreError> {
        let Some(session) = self.open(person).await?.into_iter().find(|open| id(open) == session) else {
            return Ok(());
        };
        self.store.end_console_session(session.hash).await?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "ended an own session");
        Ok(())
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_out_everywhere(&self, person: &Person) -> Result<(), StoreError> {
        self.store.end_console_sessions(person.id).await?;
        tracing::info!(target: "audit", person = %person.id, name = %person.name, "ended all own sessions");
        Ok(())
    }

    /// The sessions that have neither expired nor been idle for too long.
    async fn open(&self, person: &Person) -> Result<Vec<ConsoleSession>, StoreError> {
        let now = self.clock.now();
        let mut sessions = self.store.console_sessions(person.id, now).await?;
        sessions.retain(|session| now.since(session.used_at) < IDLE);
        Ok(sessions)
    }
}
