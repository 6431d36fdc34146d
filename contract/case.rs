//! What a case says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
    /// Values of fields, each of which stands for a case.
    #[serde(default)]
    pub field: Vec<FieldTable>,
    /// Magic ids, each of which stands for a case.
    #[serde(default)]
    pub magic: Vec<MagicRow>,
}

/// One case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// Whether the real WeChat can be asked as well.
    #[serde(default)]
    pub real: bool,
    /// What happened before.
    #[serde(default)]
    pub before: Vec<Step>,
    /// What is asked.
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
    /// How many cards the receiver has: none, unless it is said.
    #[serde(default)]
    pub cards: usize,
    /// How many messages the user still allows for the one-time template.
    pub units: Option<u64>,
    /// The newest card, by the path into it.
    #[serde(default)]
    pub card: BTreeMap<String, Value>,
    /// The codes of what WeChat would mind about the request. Looked at only when it is given.
    pub complaints: Option<Vec<String>>,
    /// What the callback got, by the path into it, when all pushes are over.
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
    /// `subscribe` or `template`: a message that is right in every respect, to be changed by `set` and `unset`.
    pub send: Option<String>,
    /// Members of the body, by their path (`data.thing1.value`).
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    #[serde(default)]
    pub unset: Vec<String>,
    /// The body as it is written, with `$names` in it.
    pub body: Option<String>,
    /// JSON, unless it is said.
    pub content_type: Option<String>,
    /// The body goes in pieces, without a length.
    #[serde(default)]
    pub chunked: bool,
    /// Names for what the answer has, by the path to it.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// How often it is done.
    pub times: Option<u32>,
    /// It is slow, and still under way when the next step is taken.
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
    /// So many seconds pass.
    pub advance: Option<i64>,
    /// It is this time.
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
    /// The statuses with which the first pushes are answered; then 200.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// The texts with which the first pushes are answered; then `success`.
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
    /// The name under which it is sent.
    pub places: Vec<String>,
    pub errcode: i64,
}

/// A case with its topic: the file that it is in.
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
    /// Why the real WeChat cannot be asked; `None` if it can.
    pub fn not_for_the_real_one(&self) -> Option<&'static str> {
        let needs_sandbox = self.before.iter().any(Step::is_the_users);
        match (self.real, needs_sandbox) {
            (true, false) => None,
            (_, true) => Some("for its state is made through /_sandbox"),
            (false, false) => Some("for its answer needs what only the sandbox has"),
        }
    }

    /// The errcode that is expected, if one is named.
    pub fn errcode(&self) -> Option<i64> {
        self.expect.get("errcode").and_then(Value::as_i64)
    }
}

impl Step {
    /// Whether it is done with the hand that moves the sandbox.
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
