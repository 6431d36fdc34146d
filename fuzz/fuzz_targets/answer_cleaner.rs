//! An answer with secrets in any form, cut into pieces anywhere. No secret is left in any form. The result has the length of
//! the answer, and does not depend on the ends of the pieces.
#![no_main]

use hongyan_wechat::blot::Blotter;
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "85_To-k/en&Z";
const SECRET: &str = "5ecre7";

fn form(which: u8, byte: u8) -> String {
    match which % 8 {
        0 => char::from(byte).to_string(),
        1 => format!("%{byte:02X}"),
        2 => format!("%25{byte:02x}"),
        3 => format!("\\u{byte:04x}"),
        4 => format!("\\\\u{byte:04X}"),
        5 => format!("&#{byte};"),
        6 => format!("&#x0{byte:X};"),
        _ => format!("\\x{byte:02x}"),
    }
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (before, forms, after, cuts) = input;
    let blotter = Blotter::new([TOKEN.into(), SECRET.into()]);
    let which = |at: usize| forms.get(at % forms.len().max(1)).copied().unwrap_or_default();
    let written: String = TOKEN.bytes().enumerate().map(|(at, byte)| form(which(at), byte)).collect();
    let text = [&before[..], written.as_bytes(), &after[..], SECRET.as_bytes()].concat();

    let whole = blotter.whole(&text).into_owned();
    assert_eq!(whole.len(), text.len());
    for secret in [TOKEN, SECRET] {
        assert!(!whole.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is left");
    }
    // A second run changes nothing: the blots create no new secrets.
    assert_eq!(blotter.whole(&whole), whole);

    let (mut held, mut out, mut rest) = (Vec::new(), Vec::new(), &text[..]);
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
        out.extend(blotter.piece(&mut held, piece, false));
        rest = after;
        assert!(held.len() <= 512, "{} bytes are held back", held.len());
    }
    out.extend(blotter.piece(&mut held, rest, true));
    assert!(held.is_empty());
    assert_eq!(out, whole, "the pieces differ from the whole");
});
