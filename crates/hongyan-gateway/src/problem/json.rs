//! Reads JSON strictly: a syntax error is located, and no object may have two members of the same name.
//!
//! serde notices a repeated member only in structs. Of two fields of a message with the same name it would silently take
//! the last. So every body is walked once before it is deserialized. The walk keeps the path to its place and the member
//! names of the objects around it, but no values, so its memory does not grow with the body.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use axum::http::StatusCode;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Problem;

/// The most members of one object: the fields of a message are the most that any call takes.
pub(super) const MAX_MEMBERS: usize = 128;

/// The deepest nesting of brackets. serde_json's readers have the same limit.
const MAX_DEPTH: usize = 127;

/// Up to this many names of an object are compared one by one; more names are kept sorted.
const FEW_MEMBERS: usize = 16;

/// The most steps of a path that a problem shows.
const MAX_TURNS: usize = 16;

/// The longest name in a path that a problem shows; the beginning is enough to find the place.
const MAX_SHOWN: usize = 64;

/// The position of a text in the body that it was taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The beginning of the body.
    pub(crate) const START: Self = Self { line: 1, column: 0 };

    /// The position after these bytes of the body.
    fn behind(bytes: &[u8]) -> Self {
        let line_start = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let line = 1 + memchr::memchr_iter(b'\n', bytes).count();
        Self { line, column: bytes.len() - line_start }
    }

    /// The position at which a part of this text begins.
    pub(crate) fn of(self, whole: &str, part: &str) -> Self {
        let offset = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        let before = Self::behind(whole.as_bytes().get(..offset).unwrap_or_default());
        self.then(before.line, before.column)
    }

    /// Adds a relative position to this one.
    const fn then(self, line: usize, column: usize) -> Self {
        if line <= 1 {
            Self { line: self.line, column: self.column + column }
        } else {
            Self { line: self.line + line - 1, column }
        }
    }
}

/// The text of a body.
///
/// # Errors
/// When the body is not UTF-8, and so not JSON.
pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let place = Place::behind(&body[..error.valid_up_to()]);
        malformed("a byte that is not UTF-8", Place { column: place.column + 1, ..place })
    })
}

/// Refuses a text that is not JSON. Values are not interpreted: a lone surrogate or a number of any length passes.
///
/// # Errors
/// `malformed_json`, with line and column.
pub(crate) fn is_json(text: &str, place: Place) -> Result<(), Problem> {
    // The reader keeps an entry for each open bracket, so the depth is checked first.
    if let Some(depth_ends) = too_deep(text) {
        let at = place.of(text, &text[depth_ends..]);
        return Err(malformed(&format!("brackets nested more than {MAX_DEPTH} deep"), at));
    }
    // A RawValue is checked byte by byte and copies nothing.
    serde_json::from_str::<&RawValue>(text).map(drop).map_err(|error| malformed_at(&error, place))
}

/// Refuses a text that is not JSON, and an object with a repeated member or too many members.
///
/// # Errors
/// `malformed_json` with line and column, `duplicate_field`, or `invalid_field`.
pub(crate) fn walk(text: &str, place: Place) -> Result<(), Problem> {
    let mut walk = Walk { way: Vec::with_capacity(8), names: Vec::with_capacity(FEW_MEMBERS), found: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = Step(&mut walk).deserialize(&mut reader).and_then(|()| reader.end());
    if let Err(error) = walked {
        // For a raw line break in a text, `is_json` reports its own position. This reader reports the next line.
        let problem = is_json(text, place).err().unwrap_or_else(|| malformed_at(&error, place));
        let at = walk.way();
        return Err(if at.is_empty() { problem } else { problem.field(at) });
    }
    walk.found.map_or(Ok(()), Err)
}

/// The position of the first bracket that is nested too deep.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn malformed_at(error: &serde_json::Error, place: Place) -> Problem {
    let words = error.to_string();
    malformed(without_position(&words), place.then(error.line(), error.column()))
}

/// serde_json's error text without its end, ` at line 3 column 14`.
pub(super) fn without_position(text: &str) -> &str {
    text.rfind(" at line ").map_or(text, |at| &text[..at])
}

fn malformed(what: &str, Place { line, column }: Place) -> Problem {
    let detail = format!("{what} at line {line} column {column}");
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail).with("line", line).with("column", column)
}

/// A walk over a text.
struct Walk<'de> {
    way: Vec<Turn<'de>>,
    /// The member names of the open objects; the innermost object's names are last.
    names: Vec<Cow<'de, str>>,
    /// The first problem with a member. The walk goes on, because a syntax error further on takes precedence.
    found: Option<Problem>,
}

enum Turn<'de> {
    Member(Cow<'de, str>),
    Item(usize),
}

impl Walk<'_> {
    /// `messages[3].data.thing1`.
    fn way(&self) -> String {
        let mut way = String::new();
        for turn in self.way.iter().take(MAX_TURNS) {
            let written = match turn {
                Turn::Item(index) => write!(way, "[{index}]"),
                Turn::Member(name) => {
                    let dot = if way.is_empty() { "" } else { "." };
                    let end = name.char_indices().nth(MAX_SHOWN).map_or(name.len(), |(end, _)| end);
                    write!(way, "{dot}{}", &name[..end])
                }
            };
            written.expect("a String takes everything");
        }
        way
    }
}

/// One value of the text.
struct Step<'a, 'de>(&'a mut Walk<'de>);

impl<'de> DeserializeSeed<'de> for Step<'_, 'de> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let walk = self.0;
        walk.way.push(Turn::Item(0));
        while items.next_element_seed(Step(walk))?.is_some() {
            // Deeper steps have been popped, so the last step is this list's.
            if let Some(Turn::Item(index)) = walk.way.last_mut() {
                *index += 1;
            }
        }
        walk.way.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let walk = self.0;
        let first = walk.names.len();
        let mut in_order = BTreeSet::new();
        while let Some(Name(name)) = members.next_key()? {
            walk.way.push(Turn::Member(name.clone()));
            if walk.found.is_none() {
                let names = &walk.names[first..];
                if names.len() == FEW_MEMBERS {
                    in_order.extend(names.iter().cloned());
                }
                let stands_twice = if names.len() < FEW_MEMBERS {
                    names.contains(&name)
                } else {
                    !in_order.insert(name.clone())
                };
                if names.len() == MAX_MEMBERS {
                    let detail = format!("this object has more than {MAX_MEMBERS} members");
                    walk.way.pop();
                    walk.found = Some(Problem::invalid(walk.way(), detail));
                    walk.way.push(Turn::Member(name));
                } else if stands_twice {
                    walk.found = Some(Problem::duplicate(walk.way()));
                } else {
                    walk.names.push(name);
                }
            }
            members.next_value_seed(Step(walk))?;
            walk.way.pop();
        }
        walk.names.truncate(first);
        Ok(())
    }
}

/// A member's name; borrowed unless it has escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Name<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// One member of an object, and the name of another member.
#[derive(Debug, Default)]
pub(crate) struct Member<'de> {
    /// The member's value, not parsed.
    pub(crate) value: Option<&'de RawValue>,
    /// Another member's name.
    pub(crate) beside: Option<Cow<'de, str>>,
    /// The member is repeated.
    pub(crate) is_double: bool,
}

/// Looks for a member in a text that is an object. `None`: the text is not an object, or not JSON.
pub(crate) fn member<'de>(name: &str, text: &'de str) -> Option<Member<'de>> {
    struct Object<'a>(&'a str);

    impl<'de> Visitor<'de> for Object<'_> {
        type Value = Member<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Member<'de>, A::Error> {
            let mut found = Member::default();
            while let Some(Name(name)) = members.next_key()? {
                if name == self.0 {
                    found.is_double |= found.value.is_some();
                    found.value = Some(members.next_value()?);
                } else {
                    members.next_value::<IgnoredAny>()?;
                    found.beside.get_or_insert(name);
                }
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    de::Deserializer::deserialize_map(&mut reader, Object(name)).ok()
}

/// The items of a text that is a list, not parsed: up to `most + 1`, so that the caller sees whether there are too many.
/// `None`: the text is not a list.
pub(crate) fn list(text: &str, most: usize) -> Option<Vec<&RawValue>> {
    struct Items(usize);

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while let Some(item) = items.next_element()? {
                if read.len() <= self.0 {
                    read.push(item);
                }
            }
            Ok(read)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    de::Deserializer::deserialize_seq(&mut reader, Items(most)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Problem {
        walk(text, Place::START).unwrap_err()
    }

    #[test]
    fn a_member_that_stands_twice_is_named_wherever_it_stands() {
        let cases = [
            (r#"{"app":1,"app":1}"#, "app"),
            (r#"{"data":{"thing1":"a","thing1":"b"}}"#, "data.thing1"),
            (r#"{"data":{"keyword1":{"value":"a","value":"b"}}}"#, "data.keyword1.value"),
            (r#"{"messages":[{},{"data":{"x":1,"y":[{"z":1,"z":2}]}}]}"#, "messages[1].data.y[0].z"),
            // The same name, once with an escape.
            (r#"{"thing1":"a","thing\u0031":"b"}"#, "thing1"),
        ];
        for (text, field) in cases {
            let problem = refused(text);
            assert_eq!(
                (problem.status.as_u16(), problem.code, problem.field.as_deref()),
                (422, "duplicate_field", Some(field)),
                "{text}"
            );
        }
        for text in [r#"{"a":{"x":1},"b":{"x":1}}"#, r#"[{"x":1},{"x":1}]"#, r#"{"a":{"a":{"a":1}}}"#, "null"]
        {
            assert!(walk(text, Place::START).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_called_that_whatever_else_is_wrong() {
        let cases = [
            ("{\"a\":1,\"a\":2,}", 1, 14),
            ("{\"a\":\n\"x\ny\"}", 2, 2),
            ("{\"a\":", 1, 5),
            ("", 1, 0),
            ("{} x", 1, 4),
        ];
        for (text, line, column) in cases {
            let problem = refused(text);
            assert_eq!((problem.status.as_u16(), problem.code), (400, "malformed_json"), "{text:?}");
            assert_eq!(
                (&problem.extra["line"], &problem.extra["column"]),
                (&line.into(), &column.into()),
                "{text:?}"
            );
        }
        let problem = text(b"{\"a\":\n\"\xff\"}").unwrap_err();
        assert_eq!(
            (problem.code, &problem.extra["line"], &problem.extra["column"]),
            ("malformed_json", &2.into(), &2.into())
        );
        let half_an_emoji = refused(r#"{"data":{"thing1":"b \ud83d"}}"#);
        assert_eq!(
            (half_an_emoji.code, half_an_emoji.field.as_deref()),
            ("malformed_json", Some("data.thing1"))
        );
    }

    #[test]
    fn brackets_in_each_other_have_a_bound() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(
            is_json(&nested(MAX_DEPTH), Place::START).is_ok()
                && walk(&nested(MAX_DEPTH), Place::START).is_ok()
        );
        let problem = is_json(&nested(MAX_DEPTH + 1), Place::START).unwrap_err();
        assert_eq!((problem.code, &problem.extra["column"]), ("malformed_json", &MAX_DEPTH.into()));
        assert_eq!(refused(&nested(MAX_DEPTH + 1)).code, "malformed_json");
        // Brackets inside strings do not count.
        assert!(is_json(&format!("\"{}\\\"{}\"", "[".repeat(300), "{".repeat(300)), Place::START).is_ok());
        assert!(is_json(&format!("[{}0]", "[],".repeat(300)), Place::START).is_ok());
    }

    #[test]
    fn an_object_has_a_bound() {
        let members: Vec<String> = (0..=MAX_MEMBERS).map(|n| format!("\"m{n}\":0")).collect();
        let whole = format!("{{\"data\":{{{}}}}}", members.join(","));
        let problem = refused(&whole);
        assert_eq!((problem.code, problem.field.as_deref()), ("invalid_field", Some("data")));
        let less = format!("{{\"data\":{{{}}}}}", members[1..].join(","));
        assert!(walk(&less, Place::START).is_ok());
    }

    #[test]
    fn a_part_knows_its_place_in_the_whole() {
        let whole = "{\"messages\":[\n  {},\n  {\"a\":\"\\ud83d\"}]}";
        let part = &whole[whole.rfind("{\"a").unwrap()..whole.len() - 2];
        let problem = walk(part, Place::START.of(whole, part)).unwrap_err();
        let alone = walk(part, Place::START).unwrap_err();
        assert_eq!((&problem.extra["line"], &alone.extra["line"]), (&3.into(), &1.into()));
        assert_eq!(problem.extra["column"].as_u64().unwrap(), alone.extra["column"].as_u64().unwrap() + 2);
    }
}
