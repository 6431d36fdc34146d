//! Any JSON is refused or read. The event in it does not depend on white space.
#![no_main]

use hongyan_wechat::callback::{Event, notice_of, parse_document};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let object = [b"{", bytes, b"}"].concat();
    for bytes in [bytes, &object] {
        let Ok(tree) = parse_document(bytes) else { continue };
        let event = Event::of(tree);
        let dense = serde_json::to_vec(&event.body).expect("JSON can be written");
        if bytes.trim_ascii().first() == Some(&b'{') {
            let again = Event::of(parse_document(&dense).expect("what is written is a document"));
            assert_eq!(notice_of(&again), notice_of(&event));
        }
    }
});
