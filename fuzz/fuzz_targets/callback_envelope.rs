//! The cipher of WeChat's pushes: a sealed message opens, and no other input is accepted.
//!
//! The first byte selects the trial: sealing and opening, opening any text, opening a changed or a cut sealed message, or a
//! whole request.
#![no_main]

use std::sync::LazyLock;

use hongyan_wechat::AppId;
use hongyan_wechat::callback::{CallbackKeys, EncodingAesKey, PushParameters, open_push, sign};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<EncodingAesKey> =
    LazyLock::new(|| "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".parse().expect("43 letters and digits"));
static APPID: LazyLock<AppId> = LazyLock::new(|| "wxb11529c136998cb6".parse().expect("an appid"));
static KEYS: LazyLock<CallbackKeys> =
    LazyLock::new(|| CallbackKeys { token: "token".to_owned().into(), aes_key: Some(KEY.clone()) });

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let sealed = KEY.seal([7; 16], bytes, &APPID);
    match choice % 4 {
        0 => assert_eq!(KEY.open(&sealed, &APPID).expect("it was sealed for this app"), bytes),
        1 => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                let _ = KEY.open(text, &APPID);
            }
        }
        2 => {
            // One changed character, and one cut end. Neither may panic, and the cut text must not open.
            let mut text = sealed.clone().into_bytes();
            let at = bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % text.len();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(text).expect("it is ASCII");
            let _ = KEY.open(&changed, &APPID);
            // The padding of base64 itself may be missing.
            let text = sealed.trim_end_matches('=');
            assert!(KEY.open(&text[..at.min(text.len() - 1)], &APPID).is_err());
        }
        _ => {
            // A stranger's request with a valid signature over any content.
            let parameters = PushParameters {
                msg_signature: sign(&["token", "1", "n", &sealed]),
                timestamp: "1".into(),
                nonce: "n".into(),
                ..PushParameters::default()
            };
            let body = format!("<xml><Encrypt>{sealed}</Encrypt></xml>");
            let _ = open_push(&KEYS, &APPID, &parameters, body.as_bytes());
            let _ = open_push(&KEYS, &APPID, &parameters, bytes);
        }
    }
});
