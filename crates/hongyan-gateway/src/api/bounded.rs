//! Texts, numbers and lists of requests with bounds. One definition makes the check and the OpenAPI schema.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A pattern without control characters, because these would reach logs and terminals.
pub(super) const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// A text of `LEAST` to `MOST` characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<const LEAST: usize, const MOST: usize>(pub(super) String);

impl<const LEAST: usize, const MOST: usize> Text<LEAST, MOST> {
    /// Whether a text keeps to the bounds.
    pub(super) fn holds(text: &str) -> bool {
        (LEAST..=MOST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    }
}

impl<'de, const LEAST: usize, const MOST: usize> Deserialize<'de> for Text<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if Self::holds(&text) {
            return Ok(Self(text));
        }
        Err(de::Error::custom(format_args!("{LEAST} to {MOST} characters, no control characters")))
    }
}

impl<const LEAST: usize, const MOST: usize> PartialSchema for Text<LEAST, MOST> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PRINTABLE));
        let least = (LEAST > 0).then_some(LEAST);
        Schema::from(text.min_length(least).max_length(Some(MOST))).into()
    }
}

impl<const LEAST: usize, const MOST: usize> ToSchema for Text<LEAST, MOST> {}

/// A whole number from `LEAST` to `MOST`. `2.0` is accepted: JSON does not tell integers from floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const LEAST: u32, const MOST: u32>;

        impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Number<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                let known = u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
                known.map(Whole).ok_or_else(|| E::custom(format_args!("must be from {LEAST} to {MOST}")))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_u64(u64::try_from(number).unwrap_or(u64::MAX))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                if number.fract() != 0.0 {
                    return Err(E::invalid_type(de::Unexpected::Float(number), &self));
                }
                // A negative number becomes a number above every bound, and so is refused.
                self.visit_u64(if number < 0.0 { u64::MAX } else { number as u64 })
            }
        }

        deserializer.deserialize_u32(Number)
    }
}

impl<const LEAST: u32, const MOST: u32> PartialSchema for Whole<LEAST, MOST> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        Schema::from(number.minimum(Some(LEAST)).maximum(Some(MOST))).into()
    }
}

impl<const LEAST: u32, const MOST: u32> ToSchema for Whole<LEAST, MOST> {}

/// An object. A list of the object's values is refused; serde alone would accept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A list of bounded length. Of a longer list, only one item beyond the bound is kept; the handler refuses such a list with
/// its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> Deref for Few<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = Few<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= MOST {
                    let Some(item) = items.next_element()? else { return Ok(Few(kept)) };
                    kept.push(item);
                }
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Few(kept))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_that_is_too_long_one_item_too_many_is_kept() {
        let few = |json: &str| serde_json::from_str::<Few<u8, 2>>(json).map(|few| few.0).ok();
        assert_eq!(few("[]"), Some(vec![]));
        assert_eq!(few("[1, 2]"), Some(vec![1, 2]));
        assert_eq!(few("[1, 2, 3]"), Some(vec![1, 2, 3]));
        assert_eq!(few("[1, 2, 3, 4, 5, 6, 7]"), Some(vec![1, 2, 3]));
        // Items that are not kept must be valid JSON too.
        assert_eq!(few("[1, 2, 3, 4, }"), None);
        assert_eq!(few("[1, true]"), None);
        assert_eq!(few("1"), None);
    }

    fn text(json: &str) -> Result<String, String> {
        serde_json::from_str::<Text<1, 3>>(json).map(|text| text.0).map_err(|error| error.to_string())
    }

    fn whole(json: &str) -> Option<u32> {
        serde_json::from_str::<Whole<1, 1000>>(json).ok().map(|number| number.0)
    }

    #[test]
    fn a_text_keeps_its_bounds_in_characters() {
        assert_eq!(text("\"鸿雁x\"").unwrap(), "鸿雁x");
        for bad in ["\"\"", "\"1234\"", "\"a\\u001bb\"", "\"\\u0085\"", "7"] {
            assert!(text(bad).is_err(), "{bad}");
        }
        assert!(text("\"1234\"").unwrap_err().contains("1 to 3 characters"));
    }

    #[test]
    fn an_object_is_no_list_of_its_values() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Pair {
            a: u32,
            b: Option<u32>,
        }
        let read = |json: &str| serde_json::from_str::<Object<Pair>>(json).map(|pair| pair.0);
        assert_eq!(read(r#"{"a":1}"#).unwrap(), Pair { a: 1, b: None });
        assert!(serde_json::from_str::<Pair>("[1,2]").is_ok(), "this is why");
        for bad in ["[1,2]", "[1,null]", "[]", "1", "null", r#"{"b":1}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_whole_number_keeps_its_bounds_however_it_is_written() {
        for (json, number) in [("1", 1), ("1000", 1000), ("2.0", 2), ("1e3", 1000)] {
            assert_eq!(whole(json), Some(number), "{json}");
        }
        for bad in ["0", "1001", "-1", "-2.0", "2.5", "4294967297", "1e30", "\"2\"", "null"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }
}
