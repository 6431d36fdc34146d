//! The path of a call at the facade. A path that is passed on means the same to every reader on the way: undoing escapes,
//! leaving out dots and empty parts, and cutting at a semicolon do not change it.
#![no_main]

use hongyan_wechat::paths::{is_another_spelling, is_plain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    let with_base = format!("/cgi-bin/{path}");
    for path in [path, &with_base] {
        if !is_plain(path) {
            continue;
        }
        let mut parts: Vec<&str> = Vec::new();
        let unescaped = path.replace('\\', "/");
        for part in unescaped.split('/').skip(1) {
            let part = part.split(';').next().unwrap_or_default();
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        assert_eq!(format!("/{}", parts.join("/")), path, "another reader takes the path for another path");
        assert!(path.is_ascii() && !path.contains(['%', '?', '#', ' ', '\0']) && !path.chars().any(char::is_control));
        assert!(!is_another_spelling(path, path) && path.len() <= 512);
        assert_eq!(is_another_spelling(&path.to_ascii_uppercase(), path), path.bytes().any(|b| b.is_ascii_lowercase()));
    }
});
