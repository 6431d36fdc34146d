//! Reads XML and JSON into one kind of tree.
//!
//! WeChat pushes XML or JSON, depending on the app's setting. Both become the same JSON value: an element with child
//! elements is an object, an element without is a string, and several elements with the same name are an array.
//!
//! Everybody who knows an app's callback URL can post to it, so depth, number of nodes and syntax are limited. Document
//! types and entities other than XML's own five are refused, so nothing expands and nothing is fetched.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event as Markup};
use serde_json::{Map, Value};

/// The deepest nesting. WeChat's own events have four levels.
pub const MAX_DEPTH: usize = 16;

/// How many elements a document may have.
pub const MAX_NODES: usize = 10_000;

/// Why a text is not a document of WeChat. The error quotes none of the text, because the text may contain an openid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The text is neither XML nor JSON.
    #[error("the body begins neither with < nor with {{")]
    Neither,
    /// The text is not JSON.
    #[error("the body is not valid JSON (line {line}, column {column})")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The text is not XML.
    #[error("the body is not valid XML (byte {at})")]
    Xml {
        /// The byte where reading stopped.
        at: u64,
    },
    /// The text contains a document type, an entity, or a processing instruction.
    #[error(
        "the body has a document type, an entity or a processing instruction, which WeChat never sends (byte {at})"
    )]
    Forbidden {
        /// The position of that byte.
        at: u64,
    },
    /// The text is deeper or larger than any event.
    #[error("the body is nested deeper than {MAX_DEPTH} elements, or has more than {MAX_NODES} elements")]
    TooLarge,
}

/// Reads a document: XML if it begins with `<`, JSON if it begins with `{`.
///
/// # Errors
/// When the text is neither, or exceeds a limit.
pub fn parse_document(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    // Some proxies put a byte order mark before the body.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    match bytes.first() {
        Some(b'<') => parse_xml(bytes),
        Some(b'{') => parse_json(bytes),
        _ => Err(Unreadable::Neither),
    }
}

fn parse_json(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    // A user's text may contain control characters, and WeChat does not always escape them.
    let map: Map<String, Value> = serde_json::from_slice(bytes)
        .or_else(|error| match escaped(bytes) {
            Some(escaped) => serde_json::from_slice(&escaped),
            None => Err(error),
        })
        .map_err(|error| Unreadable::Json { line: error.line(), column: error.column() })?;
    let mut nodes = 0;
    let in_bounds = map.values().all(|value| is_in_bounds(value, 2, &mut nodes));
    if in_bounds { Ok(map) } else { Err(Unreadable::TooLarge) }
}

/// The text with the control characters in its strings escaped; `None` if there are no control characters.
fn escaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut clean, mut is_in_text, mut is_escape) = (Vec::with_capacity(bytes.len() + 16), false, false);
    for byte in bytes {
        if is_in_text && *byte < b' ' {
            // A backslash before a control character is dropped: the character gets a new escape.
            if is_escape {
                clean.pop();
            }
            clean.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            is_escape = false;
            continue;
        }
        is_in_text ^= *byte == b'"' && !is_escape;
        is_escape = is_in_text && *byte == b'\\' && !is_escape;
        clean.push(*byte);
    }
    (clean.len() != bytes.len()).then_some(clean)
}

/// serde_json itself stops at a depth of 128, so this recursion cannot overflow the stack.
fn is_in_bounds(value: &Value, depth: usize, nodes: &mut usize) -> bool {
    *nodes += 1;
    depth <= MAX_DEPTH
        && *nodes <= MAX_NODES
        && match value {
            Value::Array(items) => items.iter().all(|item| is_in_bounds(item, depth + 1, nodes)),
            Value::Object(map) => map.values().all(|value| is_in_bounds(value, depth + 1, nodes)),
            _ => true,
        }
}

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    text: String,
    children: Map<String, Value>,
}

fn parse_xml(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    let mut reader = Reader::from_reader(bytes);
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0;
    let mut root = None;
    loop {
        let at = reader.buffer_position();
        let bad = || Unreadable::Xml { at };
        let markup = reader.read_event().map_err(|_| Unreadable::Xml { at: reader.error_position() })?;
        match markup {
            Markup::Start(start) | Markup::Empty(start) if root.is_some() && open.is_empty() => {
                drop(start);
                return Err(bad());
            }
            Markup::Start(start) => {
                nodes += 1;
                if open.len() >= MAX_DEPTH || nodes > MAX_NODES {
                    return Err(Unreadable::TooLarge);
                }
                let name = name(start.name().as_ref()).ok_or_else(bad)?;
                open.push(Open { name, ..Open::default() });
            }
            Markup::Empty(start) => {
                nodes += 1;
                if nodes > MAX_NODES {
                    return Err(Unreadable::TooLarge);
                }
                let name = name(start.name().as_ref()).ok_or_else(bad)?;
                match open.last_mut() {
                    Some(parent) => add(&mut parent.children, name, Value::String(String::new())),
                    None => root = Some(Map::new()),
                }
            }
            Markup::End(_) => {
                // The reader has checked that the closing name matches.
                let element = open.pop().ok_or_else(bad)?;
                match open.last_mut() {
                    Some(parent) => {
                        let value = if element.children.is_empty() {
                            Value::String(element.text)
                        } else {
                            Value::Object(element.children)
                        };
                        add(&mut parent.children, element.name, value);
                    }
                    None => root = Some(element.children),
                }
            }
            Markup::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text),
                None if text.trim().is_empty() => {}
                None => return Err(bad()),
            },
            Markup::CData(text) => {
                open.last_mut().ok_or_else(bad)?.text.push_str(&text);
            }
            Markup::GeneralRef(reference) => {
                let text = character(&reference).ok_or(Unreadable::Forbidden { at })?;
                open.last_mut().ok_or_else(bad)?.text.push_str(&text);
            }
            Markup::DocType(_) | Markup::PI(_) => return Err(Unreadable::Forbidden { at }),
            Markup::Decl(_) | Markup::Comment(_) => {}
            Markup::Eof if open.is_empty() => return root.ok_or_else(bad),
            Markup::Eof => return Err(bad()),
        }
    }
}

/// A name of plain letters, as in all of WeChat's XML. The XML reader itself would accept names that XML forbids.
fn name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(plain);
    is_name.then(|| text.to_owned())
}

/// One of XML's five entities, or a character by its number.
fn character(reference: &BytesRef<'_>) -> Option<String> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character.to_string());
    }
    resolve_predefined_entity(reference).map(str::to_owned)
}

fn add(children: &mut Map<String, Value>, name: String, value: Value) {
    match children.get_mut(&name) {
        None => {
            children.insert(name, value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// A tree as XML in WeChat's form: `<xml>…</xml>`, strings as CDATA, numbers bare.
pub fn to_xml(map: &Map<String, Value>) -> String {
    let mut xml = String::from("<xml>");
    write_children(&mut xml, map);
    xml.push_str("</xml>");
    xml
}

fn write_children(xml: &mut String, map: &Map<String, Value>) {
    for (name, value) in map {
        match value {
            // An array becomes one element for each entry; an array in an array has no form in XML, and WeChat has no
            // such array.
            Value::Array(items) => items.iter().for_each(|item| write_element(xml, name, item)),
            value => write_element(xml, name, value),
        }
    }
}

fn write_element(xml: &mut String, name: &str, value: &Value) {
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    match value {
        Value::Object(map) => write_children(xml, map),
        Value::String(text) => {
            xml.push_str("<![CDATA[");
            // CDATA cannot contain `]]>`, so the CDATA section ends there and another section begins.
            xml.push_str(&text.replace("]]>", "]]]]><![CDATA[>"));
            xml.push_str("]]>");
        }
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, Unreadable> {
        parse_document(text.as_bytes()).map(Value::Object)
    }

    #[test]
    fn one_element_is_an_object_and_several_are_an_array() {
        let one = "<xml><E><List><A><![CDATA[x]]></A><B>1</B></List></E></xml>";
        assert_eq!(read(one).unwrap(), json!({ "E": { "List": { "A": "x", "B": "1" } } }));
        let two = "<xml>\n <E>\n <List><A>x</A></List>\n <List><A>y</A></List>\n </E>\n</xml>\n";
        assert_eq!(read(two).unwrap(), json!({ "E": { "List": [{ "A": "x" }, { "A": "y" }] } }));
        assert_eq!(read("<xml><E/><F></F></xml>").unwrap(), json!({ "E": "", "F": "" }));
        assert_eq!(read("<?xml version=\"1.0\"?><xml/>").unwrap(), json!({}));
    }

    #[test]
    fn characters_are_read_as_they_are_meant() {
        let text = "<xml><A>a &lt;&amp;&gt; &#x4e2d;&#25991; <![CDATA[<b>&amp;]]></A></xml>";
        assert_eq!(read(text).unwrap(), json!({ "A": "a <&> 中文 <b>&amp;" }));
    }

    #[test]
    fn control_characters_in_a_text_are_taken_in_both_forms() {
        for byte in [0x00, 0x08, 0x0b, 0x10, 0x1b, 0x1d, b'\n', b'\t'] {
            let control = char::from(byte);
            let content = json!({ "Content": format!("a{control}b\"{control}") });
            let raw = format!("{{\n\t\"Content\":\"a{control}b\\\"{control}\"}}");
            assert_eq!(read(&raw).unwrap(), content, "{byte:#x} in JSON");
            let xml = format!("<xml><Content><![CDATA[a{control}b\"{control}]]></Content></xml>");
            assert_eq!(read(&xml).unwrap(), content, "{byte:#x} in XML");
        }
        assert_eq!(read("{\"A\":\"\\\n\"}").unwrap(), json!({ "A": "\n" }));
        // Control characters outside of strings stay errors, and nothing else becomes valid.
        for bad in ["{\"A\":\u{1}1}", "{\"A\":\"\n}", "{\"A\":\"\n\",}", "{\u{8}\"A\":\"\n\"}"] {
            assert!(matches!(read(bad), Err(Unreadable::Json { .. })), "{bad:?}");
        }
    }

    #[test]
    fn nothing_expands_and_nothing_is_fetched() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><A>&b;</A></xml>"#;
        assert!(matches!(read(bomb), Err(Unreadable::Forbidden { .. })));
        for text in
            ["<xml><A>&a;</A></xml>", "<?run me?><xml/>", r#"<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>"#]
        {
            assert!(matches!(read(text), Err(Unreadable::Forbidden { .. })), "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for text in [
            "<xml>",
            "<xml><A></xml>",
            "<xml></xml><xml></xml>",
            "<xml/>x",
            "</xml>",
            "<",
            "<xml",
            "<xml/><b/>",
            "<xml><a\"b></a\"b></xml>",
            "<xml><中/></xml>",
        ] {
            assert!(matches!(read(text), Err(Unreadable::Xml { .. })), "{text}: {:?}", read(text));
        }
        assert!(matches!(read("{\"A\":"), Err(Unreadable::Json { .. })));
        for text in ["", "  ", "A=1", "[]"] {
            assert_eq!(read(text), Err(Unreadable::Neither), "{text}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let deep = format!("{}{}", "<a>".repeat(MAX_DEPTH + 1), "</a>".repeat(MAX_DEPTH + 1));
        assert_eq!(read(&deep), Err(Unreadable::TooLarge));
        let wide = format!("<xml>{}</xml>", "<a/>".repeat(MAX_NODES));
        assert_eq!(read(&wide), Err(Unreadable::TooLarge));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(read(&deep), Err(Unreadable::TooLarge));
        let deeper = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert!(read(&deeper).is_err());
    }

    fn leaf() -> impl Strategy<Value = Value> {
        // Only texts that XML can carry: no control characters, and no line ends that XML would normalise.
        "[ -~中文]{1,12}".prop_map(|text| Value::String(format!("x{text}")))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            fields in proptest::collection::btree_map("[A-Z][a-z]{0,6}", leaf(), 1..6),
            list in proptest::collection::vec(leaf(), 2..4),
        ) {
            let mut tree: Map<String, Value> = fields.into_iter().collect();
            tree.insert("List".into(), Value::Array(list));
            let read = parse_document(to_xml(&tree).as_bytes()).unwrap();
            prop_assert_eq!(read, tree);
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = parse_document(&bytes);
            let _ = parse_document(&[b"<xml>", &bytes[..], b"</xml>"].concat());
        }
    }
}
