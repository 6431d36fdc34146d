//! A template's content, as in WeChat's list, and values for its fields, as from a back end.
#![no_main]

use hongyan_wechat::{check_field, fields_of};
use libfuzzer_sys::fuzz_target;

/// One field of each kind, so that each rule is tried with any content.
const NAMES: [&str; 14] = [
    "thing1",
    "number2",
    "letter3",
    "symbol4",
    "character_string5",
    "time6",
    "date7",
    "amount8",
    "phone_number9",
    "car_number10",
    "name11",
    "phrase12",
    "enum13",
    "keyword14",
];

fuzz_target!(|text: &str| {
    let (content, value) = text.split_once('\0').unwrap_or((text, text));
    let fields = fields_of(content);
    for field in &fields {
        assert!(!field.name.is_empty() && content.contains(&field.name));
        let _ = check_field(&field.name, value, None);
    }
    let values = [content.to_owned()];
    for name in NAMES {
        if let Err(problem) = check_field(name, value, Some(&values)) {
            assert!(!problem.to_string().is_empty());
        }
    }
});
