//! Access tokens: two independent kinds, each of which invalidates its predecessor in its own way.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode};
use serde::{Deserialize, Serialize};

use super::beijing::beijing_day;
use crate::random;

/// How long a token is valid, if nobody fetches another token.
pub(crate) const LIFETIME: Duration = Duration::from_hours(2);
/// How long a token of the first kind stays valid after the next fetch.
const GRACE: Duration = Duration::from_mins(5);
/// `stable_token` makes a new token when the current token has at most this time left.
const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// The shortest time between two forced refreshes of an app.
const FORCED_INTERVAL: Duration = Duration::from_secs(30);
/// The most forced refreshes of an app a day.
const FORCED_PER_DAY: u32 = 20;
/// How long an invalid token is remembered, to tell "expired" from "never existed".
const REMEMBER_DEAD: Duration = Duration::from_hours(24);

/// All tokens of all apps.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tokens {
    by_value: HashMap<String, Token>,
    by_app: HashMap<AppId, AppTokens>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Token {
    appid: AppId,
    expires_at: UnixMillis,
    /// The end of the token's validity; earlier than `expires_at` if the token was replaced.
    dies_at: UnixMillis,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AppTokens {
    plain: Option<String>,
    stable: Option<String>,
    forced_at: Option<UnixMillis>,
    forced_day: i64,
    forced_today: u32,
    /// Oldest first, so that invalid tokens can be forgotten.
    issued: VecDeque<String>,
}

/// A token as it is issued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires_in: Duration,
}

impl Tokens {
    /// `GET /cgi-bin/token`: makes a new token; its predecessor stays valid for five more minutes.
    pub(crate) fn fetch(&mut self, appid: &AppId, now: UnixMillis, most: usize) -> Issued {
        let old = self.app(appid).plain.take();
        self.shorten(old.as_deref(), now.plus(GRACE));
        let token = self.issue(appid, now, most);
        self.app(appid).plain = Some(token.clone());
        Issued { token, expires_in: LIFETIME }
    }

    /// `POST /cgi-bin/stable_token`: returns the current token; makes a new token if the current token is about to
    /// expire, or at once if forced.
    pub(crate) fn stable(
        &mut self,
        appid: &AppId,
        force: bool,
        now: UnixMillis,
        most: usize,
    ) -> Result<Issued, Errcode> {
        if force {
            self.app(appid).count_forced(now)?;
            let old = self.app(appid).stable.take();
            self.shorten(old.as_deref(), now);
        } else if let Some(current) = self.app(appid).stable.clone()
            && let Some(token) = self.by_value.get(&current)
            && token.dies_at.since(now) > RENEW_BEFORE
        {
            return Ok(Issued { token: current, expires_in: token.dies_at.since(now) });
        }
        let token = self.issue(appid, now, most);
        self.app(appid).stable = Some(token.clone());
        Ok(Issued { token, expires_in: LIFETIME })
    }

    /// Acts as another program that fetched tokens of both kinds, by force: all tokens issued before are invalid now.
    pub(crate) fn rotate(&mut self, appid: &AppId, now: UnixMillis, most: usize) {
        for token in self.by_value.values_mut().filter(|t| t.appid == *appid) {
            token.dies_at = token.dies_at.min(now);
        }
        let plain = self.issue(appid, now, most);
        let stable = self.issue(appid, now, most);
        let app = self.app(appid);
        app.plain = Some(plain);
        app.stable = Some(stable);
    }

    /// The token's app, if the token is valid now.
    pub(crate) fn check(&self, token: &str, now: UnixMillis) -> Result<&AppId, Errcode> {
        match self.by_value.get(token) {
            Some(t) if now >= t.expires_at => Err(Errcode::TOKEN_EXPIRED),
            Some(t) if now >= t.dies_at => Err(Errcode::INVALID_CREDENTIAL),
            Some(t) => Ok(&t.appid),
            None => Err(Errcode::INVALID_CREDENTIAL),
        }
    }

    fn app(&mut self, appid: &AppId) -> &mut AppTokens {
        if !self.by_app.contains_key(appid) {
            self.by_app.insert(appid.clone(), AppTokens::default());
        }
        self.by_app.get_mut(appid).expect("it was inserted just now")
    }

    fn shorten(&mut self, token: Option<&str>, dies_at: UnixMillis) {
        if let Some(token) = token.and_then(|t| self.by_value.get_mut(t)) {
            token.dies_at = token.dies_at.min(dies_at);
        }
    }

    /// The largest number of remembered tokens of any app.
    pub(crate) fn most_of_an_app(&self) -> usize {
        self.by_app.values().map(|app| app.issued.len()).max().unwrap_or(0)
    }

    fn issue(&mut self, appid: &AppId, now: UnixMillis, most: usize) -> String {
        let app = self.by_app.entry(appid.clone()).or_default();
        while let Some(oldest) = app.issued.front()
            && self.by_value.get(oldest).is_none_or(|t| now.since(t.dies_at) > REMEMBER_DEAD)
            && let Some(oldest) = app.issued.pop_front()
        {
            self.by_value.remove(&oldest);
        }
        // The current token of each kind stays, however old: it moves to the end of the queue. At most two tokens are
        // current.
        let mut looks = app.issued.len();
        while app.issued.len() >= most.max(3)
            && looks > 0
            && let Some(oldest) = app.issued.pop_front()
        {
            looks -= 1;
            if app.plain.as_ref() == Some(&oldest) || app.stable.as_ref() == Some(&oldest) {
                app.issued.push_back(oldest);
            } else {
                self.by_value.remove(&oldest);
            }
        }
        // As long as WeChat's tokens, with the same kind of number at the beginning.
        let token = format!("90_{}", random::alphanumeric(133));
        let expires_at = now.plus(LIFETIME);
        self.by_value.insert(token.clone(), Token { appid: appid.clone(), expires_at, dies_at: expires_at });
        app.issued.push_back(token.clone());
        token
    }
}

impl AppTokens {
    fn count_forced(&mut self, now: UnixMillis) -> Result<(), Errcode> {
        let today = beijing_day(now);
        if self.forced_day != today {
            (self.forced_day, self.forced_today) = (today, 0);
        }
        if self.forced_at.is_some_and(|at| now.since(at) < FORCED_INTERVAL) {
            return Err(Errcode::MINUTE_QUOTA);
        }
        if self.forced_today >= FORCED_PER_DAY {
            return Err(Errcode::DAY_QUOTA);
        }
        self.forced_at = Some(now);
        self.forced_today += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    fn app() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    fn after(seconds: u64) -> UnixMillis {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_replaced_token_works_five_more_minutes() {
        let mut tokens = Tokens::default();
        let first = tokens.fetch(&app(), START, 99).token;
        let second = tokens.fetch(&app(), after(60), 99).token;
        assert_ne!(first, second);
        assert!(tokens.check(&first, after(359)).is_ok());
        assert_eq!(tokens.check(&first, after(360)), Err(Errcode::INVALID_CREDENTIAL));
        assert!(tokens.check(&second, after(360)).is_ok());
    }

    #[test]
    fn a_token_expires_after_two_hours_and_says_so() {
        let mut tokens = Tokens::default();
        let token = tokens.fetch(&app(), START, 99).token;
        assert!(tokens.check(&token, after(7199)).is_ok());
        assert_eq!(tokens.check(&token, after(7200)), Err(Errcode::TOKEN_EXPIRED));
        assert_eq!(tokens.check("nonsense", START), Err(Errcode::INVALID_CREDENTIAL));
    }

    #[test]
    fn the_stable_token_stays_until_five_minutes_before_its_end() {
        let mut tokens = Tokens::default();
        let first = tokens.stable(&app(), false, START, 99).unwrap();
        assert_eq!(first.expires_in, LIFETIME);
        let again = tokens.stable(&app(), false, after(6899), 99).unwrap();
        assert_eq!((again.token.as_str(), again.expires_in.as_secs()), (first.token.as_str(), 301));
        let next = tokens.stable(&app(), false, after(6900), 99).unwrap();
        assert_ne!(next.token, first.token);
        assert!(tokens.check(&first.token, after(6901)).is_ok(), "both work for a while");
    }

    #[test]
    fn the_two_kinds_do_not_touch_each_other() {
        let mut tokens = Tokens::default();
        let stable = tokens.stable(&app(), false, START, 99).unwrap().token;
        tokens.fetch(&app(), START, 99);
        tokens.fetch(&app(), START, 99);
        assert!(tokens.check(&stable, after(1000)).is_ok());
    }

    #[test]
    fn force_kills_at_once_and_is_rationed() {
        let mut tokens = Tokens::default();
        let first = tokens.stable(&app(), false, START, 99).unwrap().token;
        assert!(tokens.stable(&app(), true, START, 99).is_ok());
        assert_eq!(tokens.check(&first, START), Err(Errcode::INVALID_CREDENTIAL));
        assert_eq!(tokens.stable(&app(), true, after(29), 99), Err(Errcode::MINUTE_QUOTA));
        for n in 1..20 {
            assert!(tokens.stable(&app(), true, after(30 * n), 99).is_ok());
        }
        assert_eq!(tokens.stable(&app(), true, after(600), 99), Err(Errcode::DAY_QUOTA));
        assert!(tokens.stable(&app(), true, after(86_400), 99).is_ok(), "the next day has its own ration");
    }

    #[test]
    fn after_a_rotation_nothing_handed_out_before_works() {
        let mut tokens = Tokens::default();
        let plain = tokens.fetch(&app(), START, 99).token;
        let stable = tokens.stable(&app(), false, START, 99).unwrap().token;
        tokens.rotate(&app(), START, 99);
        assert_eq!(tokens.check(&plain, START), Err(Errcode::INVALID_CREDENTIAL));
        assert_eq!(tokens.check(&stable, START), Err(Errcode::INVALID_CREDENTIAL));
        let fresh = tokens.stable(&app(), false, START, 99).unwrap().token;
        assert!(tokens.check(&fresh, START).is_ok());
    }

    #[test]
    fn the_oldest_tokens_are_forgotten_and_the_current_ones_stay() {
        let mut tokens = Tokens::default();
        let stable = tokens.stable(&app(), false, START, 5).unwrap().token;
        let first = tokens.fetch(&app(), START, 5).token;
        let mut last = first.clone();
        for _ in 0..100 {
            last = tokens.fetch(&app(), START, 5).token;
            assert!(tokens.most_of_an_app() <= 5 && tokens.by_value.len() <= 5);
        }
        assert_eq!(tokens.check(&first, START), Err(Errcode::INVALID_CREDENTIAL));
        assert!(tokens.check(&last, START).is_ok());
        assert!(tokens.check(&stable, START).is_ok(), "the other kind's current one is as old as can be");
    }
}
