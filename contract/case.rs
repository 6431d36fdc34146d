//! The format of a case.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
    /// Values of fields. Each value is a case.
    #[serde(default)]
    pub field: Vec<FieldTable>,
    /// Magic ids. Each id in each place is a case.
    #[serde(default)]
    pub magic: Vec<MagicRow>,
}

/// One case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The name, as a sentence.
    pub name: String,
    /// Whether the case also runs against the real WeChat.
    #[serde(default)]
    pub real: bool,
    /// The steps before the request.
    #[serde(default)]
    pub before: Vec<Step>,
    /// The request of the case.
    pub request: Step,
    /// What the answer must have, by the path to it (`quota.used`). Never empty.
    pub expect: BTreeMap<String, Value>,
    /// What must hold afterwards; in the sandbox only.
    #[serde(default)]
    pub after: After,
}

/// The state afterwards.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The number of cards of the receiver. Default: 0.
    #[serde(default)]
    pub cards: usize,
    /// The number of messages that the user still allows for the one-time template.
    pub units: Option<u64>,
    /// The newest card, by the path into it.
    #[serde(default)]
    pub card: BTreeMap<String, Value>,
    /// The codes of the sandbox's complaints about the request. Checked only if given.
    pub complaints: Option<Vec<String>>,
    /// What the callback got, by the path into it, after all pushes.
    #[serde(default)]
    pub pushes: BTreeMap<String, Value>,
    /// Further requests with their own expectations.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One request, or one thing that the user does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub get: Option<String>,
    pub post: Option<String>,
    pub put: Option<String>,
    pub delete: Option<String>,
    /// `subscribe` or `template`: a valid message, which `set` and `unset` change.
    pub send: Option<String>,
    /// Members of the body, by their path (`data.thing1.value`).
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    #[serde(default)]
    pub unset: Vec<String>,
    /// The literal body, with `$names`.
    pub body: Option<String>,
    /// Default: JSON.
    pub content_type: Option<String>,
    /// The body goes in pieces, without a length.
    #[serde(default)]
    pub chunked: bool,
    /// Names for values of the answer: the name, and the path to the value.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// How often the step is repeated. Default: once.
    pub times: Option<u32>,
    /// The request is slow and still under way during the next step.
    #[serde(default)]
    pub under_way: bool,
    /// The connection must end without an answer.
    #[serde(default)]
    pub lost: bool,
    /// What the answer must have, for steps before and after.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,

    /// The user accepts `once` or `long`.
    pub accept: Option<String>,
    /// The user submits a form; its id gets this name.
    pub form: Option<String>,
    /// The user pays, for so many sends; the id is `$prepay_id`.
    pub pay: Option<u32>,
    /// The user logs in; the code gets this name.
    pub login: Option<String>,
    /// The sandbox's clock moves on by this number of seconds.
    pub advance: Option<i64>,
    /// The sandbox's clock is set to this time.
    pub at: Option<String>,
    /// The app has a callback from now on.
    pub callback: Option<Callback>,
}

/// How the app's events are pushed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    pub mode: String,
    pub format: String,
    /// The statuses of the first answers to pushes; then 200.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// The texts of the first answers to pushes; then `success`.
    #[serde(default)]
    pub answers: Vec<String>,
    /// The answer to the check of the address goes in pieces, without a length. Then the address must be refused, and
    /// the error must say so.
    #[serde(default)]
    pub chunked_check: bool,
}

/// Good and bad values of one kind of field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldTable {
    pub kind: String,
    #[serde(default)]
    pub good: Vec<String>,
    #[serde(default)]
    pub bad: Vec<String>,
    #[serde(default)]
    pub enum_values: Vec<String>,
}

/// A magic id in one place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MagicRow {
    pub id: String,
    /// The parameters that carry the id.
    pub places: Vec<String>,
    pub errcode: i64,
}

/// A case with its topic, which is the name of its file.
#[derive(Debug, Clone)]
pub struct Named {
    pub topic: String,
    pub case: Case,
}

impl Named {
    pub fn title(&self) -> String {
        format!("{}::{}", self.topic, self.case.name)
    }
}

impl Case {
    /// Why the case cannot run against the real WeChat; `None` if it can.
    pub fn not_for_the_real_one(&self) -> Option<&'static str> {
        let needs_sandbox = self.before.iter().any(Step::is_the_users);
        match (self.real, needs_sandbox) {
            (true, false) => None,
            (_, true) => Some("because its state is made through /_sandbox"),
            (false, false) => Some("because only the sandbox can give its answer"),
        }
    }

    /// The errcode that is expected, if one is named.
    pub fn errcode(&self) -> Option<i64> {
        self.expect.get("errcode").and_then(Value::as_i64)
    }
}

impl Step {
    /// Whether the step needs the sandbox's control API.
    pub fn is_the_users(&self) -> bool {
        let path = [&self.get, &self.post, &self.put, &self.delete].into_iter().flatten().next();
        path.is_some_and(|path| path.starts_with("/_sandbox"))
            || self.accept.is_some()
            || self.form.is_some()
            || self.pay.is_some()
            || self.login.is_some()
            || self.advance.is_some()
            || self.at.is_some()
            || self.callback.is_some()
    }
}
