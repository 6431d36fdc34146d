//! Form ids and prepay ids: the sends that a submitted form or a payment allows.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode, OpenId};
use serde::{Deserialize, Serialize};

use super::aging::AgingMap;
use crate::random;

/// How long a form id or prepay id allows sends.
pub(crate) const LIFETIME: Duration = Duration::from_hours(7 * 24);
/// How long old ids are remembered, to tell "used" from "never existed".
const REMEMBER: Duration = Duration::from_hours(30 * 24);

/// All form ids and prepay ids.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Forms {
    forms: AgingMap<Form>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Form {
    appid: AppId,
    openid: OpenId,
    made_at: UnixMillis,
    uses_left: u32,
}

impl Forms {
    /// The user submitted a form, which allows one send. At most `most` ids are remembered.
    pub(crate) fn submit(&mut self, appid: AppId, openid: OpenId, now: UnixMillis, most: usize) -> String {
        self.add(random::hex::<16>(), Form { appid, openid, made_at: now, uses_left: 1 }, most)
    }

    /// The user paid, which allows `uses` sends.
    pub(crate) fn pay(
        &mut self,
        appid: AppId,
        openid: OpenId,
        uses: u32,
        now: UnixMillis,
        most: usize,
    ) -> String {
        let prepay_id = format!("wx{:014}{}", now.as_seconds(), random::hex::<10>());
        self.add(prepay_id, Form { appid, openid, made_at: now, uses_left: uses }, most)
    }

    fn add(&mut self, id: String, form: Form, most: usize) -> String {
        let now = form.made_at;
        self.forms.insert(id.clone(), form, now, REMEMBER, most);
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.forms.len()
    }

    /// Uses the id for one send.
    ///
    /// "Used" is reported rather than "too old": a sender that repeats a request must learn that the first request
    /// arrived, however late the repeat comes.
    pub(crate) fn spend(
        &mut self,
        appid: &AppId,
        openid: &OpenId,
        id: &str,
        now: UnixMillis,
    ) -> Result<(), Errcode> {
        let form = self
            .forms
            .get_mut(id)
            .filter(|f| f.appid == *appid && f.openid == *openid)
            .ok_or(Errcode::INVALID_FORM_ID)?;
        if form.uses_left == 0 {
            return Err(Errcode::FORM_ID_USED);
        }
        if now.since(form.made_at) >= LIFETIME {
            return Err(Errcode::INVALID_FORM_ID);
        }
        form.uses_left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (Forms, AppId, OpenId) {
        (Forms::default(), "wx1".parse().unwrap(), "o1".parse().unwrap())
    }

    #[test]
    fn a_form_id_sends_once_within_seven_days() {
        let (mut forms, app, user) = setting();
        let id = forms.submit(app.clone(), user.clone(), UnixMillis(0), 9);
        let late = forms.submit(app.clone(), user.clone(), UnixMillis(0), 9);
        let end = UnixMillis(0).plus(LIFETIME);
        assert_eq!(forms.spend(&app, &user, &id, UnixMillis(end.0 - 1)), Ok(()));
        assert_eq!(forms.spend(&app, &user, &id, end), Err(Errcode::FORM_ID_USED));
        assert_eq!(forms.spend(&app, &user, &late, end), Err(Errcode::INVALID_FORM_ID));
    }

    #[test]
    fn a_payment_sends_as_often_as_it_was_made_for() {
        let (mut forms, app, user) = setting();
        let id = forms.pay(app.clone(), user.clone(), 2, UnixMillis(0), 9);
        assert!(forms.spend(&app, &user, &id, UnixMillis(0)).is_ok());
        assert!(forms.spend(&app, &user, &id, UnixMillis(0)).is_ok());
        assert_eq!(forms.spend(&app, &user, &id, UnixMillis(0)), Err(Errcode::FORM_ID_USED));
    }

    #[test]
    fn somebody_elses_form_id_is_not_accepted() {
        let (mut forms, app, user) = setting();
        let id = forms.submit(app.clone(), user.clone(), UnixMillis(0), 9);
        let stranger = "o2".parse().unwrap();
        let other_app = "wx2".parse().unwrap();
        assert_eq!(forms.spend(&app, &stranger, &id, UnixMillis(0)), Err(Errcode::INVALID_FORM_ID));
        assert_eq!(forms.spend(&other_app, &user, &id, UnixMillis(0)), Err(Errcode::INVALID_FORM_ID));
        assert_eq!(forms.spend(&app, &user, "invented", UnixMillis(0)), Err(Errcode::INVALID_FORM_ID));
        assert_eq!(forms.spend(&app, &user, &id, UnixMillis(0)), Ok(()), "the wrong tries cost nothing");
    }
}
