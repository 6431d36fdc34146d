//! One item or many: the form of body that `POST /v1/messages` and `POST /v1/permits` share.
//!
//! A batch is read item by item. First the whole body is checked to be JSON, without keeping any value. Then each item is
//! parsed on its own. So an invalid item does not affect the others, and a body full of tiny items costs no more memory
//! than its own bytes.

use memchr::{memchr, memmem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::problem::json::{self, Place};
use crate::problem::{Problem, from_part, from_text};

/// The most messages, or permits, in one request: one transaction that holds the writer for a few milliseconds.
pub const MAX_BATCH: usize = 1_000;

/// The items of a body.
pub(super) enum Items<T> {
    /// A single item.
    One(T),
    /// A batch; an item that cannot be read does not affect the others.
    Many(Vec<Result<T, Problem>>),
}

/// A refused item of a batch. The other items are not affected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedItem {
    /// The problem, as if the item had been sent alone.
    pub(super) error: Problem,
}

/// Reads a body that is one item, or an object whose only member `name` lists items.
///
/// # Errors
/// When the body is neither of them, or the list is empty or too long.
pub(super) fn items<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<Items<T>, Problem> {
    let text = json::text(body)?;
    if !may_have(name, text) {
        return from_text(text).map(Items::One);
    }
    json::is_json(text, Place::START)?;
    let found = json::member(name, text).unwrap_or_default();
    let Some(value) = found.value else { return from_text(text).map(Items::One) };
    if found.is_double {
        return Err(Problem::duplicate(name));
    }
    if let Some(other) = found.beside {
        return Err(Problem::unknown_field(&other, format!("unknown field beside {name}")));
    }
    let list = json::list(value.get(), MAX_BATCH).ok_or_else(|| Problem::invalid(name, "must be a list"))?;
    if list.is_empty() || list.len() > MAX_BATCH {
        let there = if list.is_empty() { "none" } else { "more" };
        return Err(Problem::invalid(
            name,
            format!("1 to {MAX_BATCH} items in one request; this list has {there}"),
        ));
    }
    let mut place = Place::START;
    let mut before = text;
    let mut read = |item: &str| {
        // The position is counted on from item to item, so that the body is scanned only once.
        place = place.of(before, item);
        before = item_and_rest(text, item);
        from_part(item, place)
    };
    Ok(Items::Many(list.into_iter().map(|item| read(item.get())).collect()))
}

/// Whether a body may have the member `name`. A body without that text is a single item, which is the common case.
fn may_have(name: &str, text: &str) -> bool {
    let quoted = format!("\"{name}\"");
    // The name may be written with escapes.
    memmem::find(text.as_bytes(), quoted.as_bytes()).is_some() || memchr(b'\\', text.as_bytes()).is_some()
}

/// The part of the text that begins with one of its items.
fn item_and_rest<'a>(text: &'a str, item: &str) -> &'a str {
    let offset = item.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    text.get(offset..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn shape(body: &str) -> Result<&'static str, Problem> {
        items::<Value>("messages", body.as_bytes()).map(|items| match items {
            Items::One(_) => "one",
            Items::Many(_) => "many",
        })
    }

    fn many(body: &str) -> Vec<Result<Value, Problem>> {
        match items::<Value>("messages", body.as_bytes()).unwrap() {
            Items::Many(items) => items,
            Items::One(item) => panic!("one: {item}"),
        }
    }

    #[test]
    fn a_list_under_the_name_is_a_batch_and_the_word_elsewhere_is_not() {
        assert_eq!(shape(r#"{"messages":[1,2]}"#).unwrap(), "many");
        assert_eq!(shape(r#"{"mess\u0061ges":[1,2]}"#).unwrap(), "many");
        assert_eq!(shape(r#"{"data":{"thing1":"messages"}}"#).unwrap(), "one");
        assert_eq!(shape(r#"{"data":{"messages":1}}"#).unwrap(), "one");
        assert_eq!(shape(r#"["messages"]"#).unwrap_err().code, "invalid_field");
        let beside = shape(r#"{"messages":[1],"more":1}"#).unwrap_err();
        assert_eq!((beside.code, beside.field.as_deref()), ("unknown_field", Some("more")));
        let twice = shape(r#"{"messages":[1],"messages":[2]}"#).unwrap_err();
        assert_eq!((twice.code, twice.field.as_deref()), ("duplicate_field", Some("messages")));
        assert_eq!(shape(r#"{"messages":[]}"#).unwrap_err().code, "invalid_field");
        assert_eq!(shape(r#"{"messages":7}"#).unwrap_err().code, "invalid_field");
        assert_eq!(shape("{").unwrap_err().code, "malformed_json");
    }

    #[test]
    fn a_batch_that_is_not_json_is_located_like_a_single_item() {
        for (rest, line, column) in
            [("{\"a\":1},]}", 2, 9), ("\"a\nb\"]}", 2, 2), ("{\"a\":1}", 2, 7), ("1]} x", 2, 5)]
        {
            let problem = shape(&format!("{{\"messages\":[\n{rest}")).unwrap_err();
            assert_eq!(problem.code, "malformed_json", "{rest}");
            assert_eq!(
                (&problem.extra["line"], &problem.extra["column"]),
                (&line.into(), &column.into()),
                "{rest}"
            );
        }
        let bad = items::<Value>("messages", b"{\"messages\":[\"\xff\"]}").err().unwrap();
        assert_eq!((bad.code, &bad.extra["column"]), ("malformed_json", &15.into()));
    }

    #[test]
    fn an_item_that_cannot_be_read_is_refused_alone_and_located() {
        let items = many(
            "{\"messages\":[{\"a\":1},\n{\"a\":\"b \\ud83d\"},\n{\"x\":{\"a\":1,\"a\":2}}, {\"a\":1e999}, 4]}",
        );
        let codes: Vec<_> =
            items.iter().map(|item| item.as_ref().map_or_else(|problem| problem.code, |_| "read")).collect();
        assert_eq!(codes, ["read", "malformed_json", "duplicate_field", "malformed_json", "read"]);
        let lone = items[1].as_ref().unwrap_err();
        assert_eq!((&lone.extra["line"], lone.field.as_deref()), (&2.into(), Some("a")));
        assert_eq!(items[2].as_ref().unwrap_err().field.as_deref(), Some("x.a"));
        assert_eq!(items[3].as_ref().unwrap_err().extra["line"], 3);
    }

    #[test]
    fn the_list_ends_behind_a_thousand() {
        let body = |count: usize| format!("{{\"messages\":[{}]}}", vec!["1"; count].join(","));
        assert_eq!(many(&body(MAX_BATCH)).len(), MAX_BATCH);
        let problem = shape(&body(MAX_BATCH + 1)).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), ("invalid_field", Some("messages")));
        assert!(problem.detail.contains("1000"), "{}", problem.detail);
    }
}
