//! One item or many: the shape that `POST /v1/messages` and `POST /v1/permits` share.

use memchr::memmem;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Problem, from_bytes, from_value};

/// The most messages, or permits, in one request: one transaction that holds the writer for a few milliseconds.
pub const MAX_BATCH: usize = 1_000;

/// What a body brings.
pub(super) enum Items<T> {
    /// A single item.
    One(T),
    /// A batch; an item that cannot be read does not hurt the others.
    Many(Vec<Result<T, Problem>>),
}

/// Reads a body that is one item, or an object whose only member `name` lists items.
///
/// # Errors
/// When the body is neither, or the list is empty or too long.
pub(super) fn items<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<Items<T>, Problem> {
    let Some((list, rest)) = batch(name, body) else { return from_bytes(body).map(Items::One) };
    if let Some(other) = rest.keys().next() {
        return Err(Problem::invalid(other.clone(), format!("unknown field beside {name}")));
    }
    let Value::Array(list) = list else {
        return Err(Problem::invalid(name, "must be a list"));
    };
    if list.is_empty() || list.len() > MAX_BATCH {
        return Err(Problem::invalid(name, format!("1 to {MAX_BATCH} in one request, not {}", list.len())));
    }
    Ok(Items::Many(list.into_iter().map(from_value).collect()))
}

/// The member of this name and those beside it, if the body is an object that has one. A single item, the common
/// case, is recognised by not having the word at all, and read into its type directly.
fn batch(name: &str, body: &[u8]) -> Option<(Value, Map<String, Value>)> {
    let quoted = format!("\"{name}\"");
    memmem::find(body, quoted.as_bytes())?;
    let mut members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let list = members.remove(name)?;
    Some((list, members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(body: &str) -> Result<&'static str, Problem> {
        items::<Value>("messages", body.as_bytes()).map(|items| match items {
            Items::One(_) => "one",
            Items::Many(_) => "many",
        })
    }

    #[test]
    fn a_list_under_the_name_is_a_batch_and_the_word_elsewhere_is_not() {
        assert_eq!(shape(r#"{"messages":[1,2]}"#).unwrap(), "many");
        assert_eq!(shape(r#"{"data":{"thing1":"messages"}}"#).unwrap(), "one");
        assert_eq!(shape(r#"{"data":{"messages":1}}"#).unwrap(), "one");
        assert_eq!(shape(r#"{"messages":[1],"more":1}"#).unwrap_err().field.as_deref(), Some("more"));
        assert_eq!(shape(r#"{"messages":[]}"#).unwrap_err().code, "invalid_field");
        assert_eq!(shape(r#"{"messages":7}"#).unwrap_err().code, "invalid_field");
        assert_eq!(shape("{").unwrap_err().code, "malformed_json");
    }
}
