//! Reads the files in `cases/`, and makes cases from their tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::case::{After, Case, FieldTable, File, MagicRow, Named, Step};

/// All cases, in the order of the files' names.
pub fn read() -> Vec<Named> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/cases");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Vec<Named> {
    let topic = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let File { mut cases, field, magic } =
        toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    cases.extend(field.iter().flat_map(of_field));
    cases.extend(magic.iter().flat_map(of_magic));
    cases.into_iter().map(|case| Named { topic: topic.clone(), case }).collect()
}

/// Cases of messages with one field: a good value arrives, and a bad value is refused and costs nothing.
fn of_field(table: &FieldTable) -> Vec<Case> {
    let case = |value: &String, is_good: bool| {
        let field = format!("{}1", table.kind);
        let mut expect = BTreeMap::from([("errcode".to_owned(), json!(if is_good { 0 } else { 47003 }))]);
        let mut after = After { cards: usize::from(is_good), ..After::default() };
        if is_good {
            after.card.insert("fields.0.value".to_owned(), json!(value));
        } else {
            // errmsg names the field.
            expect.insert("errmsg".to_owned(), json!(format!("~data.{field}.value")));
        }
        let template = json!({
            "appid": "$appid", "family": "once", "title": "字段", "template_id": "FieldTemplate",
            "content": format!("字段:{{{{{field}.DATA}}}}"), "enum_values": table.enum_values,
        });
        let verb = if is_good { "takes" } else { "refuses" };
        Case {
            name: format!("{} {verb} {value:?}", table.kind),
            before: vec![
                post("/_sandbox/templates", &template),
                post(
                    "/_sandbox/subscriptions",
                    &json!({ "appid": "$appid", "openid": "$openid", "template_id": "FieldTemplate" }),
                ),
            ],
            request: Step {
                send: Some("subscribe".to_owned()),
                set: BTreeMap::from([
                    ("template_id".to_owned(), json!("FieldTemplate")),
                    ("data".to_owned(), json!({ field: { "value": value } })),
                ]),
                ..Step::default()
            },
            expect,
            after,
            ..Case::default()
        }
    };
    let good = table.good.iter().map(|value| case(value, true));
    good.chain(table.bad.iter().map(|value| case(value, false))).collect()
}

fn post(path: &str, body: &Value) -> Step {
    Step { post: Some(path.to_owned()), body: Some(body.to_string()), ..Step::default() }
}

/// Cases of a magic id, one for each place: the id gives its errcode, and the log names the id's word.
fn of_magic(row: &MagicRow) -> Vec<Case> {
    let word = row.id.strip_prefix("sandbox-").unwrap();
    row.places
        .iter()
        .map(|place| {
            let id = format!("{}-case", row.id);
            let request = request_with(place, &id);
            let path = path_of(&request);
            let logged = Step {
                get: Some(format!("/_sandbox/requests?path={path}&limit=1")),
                expect: BTreeMap::from([("0.magic".to_owned(), json!(word))]),
                ..Step::default()
            };
            Case {
                name: format!("{} as {place} gives {}", row.id, row.errcode),
                before: vec![
                    Step { accept: Some("once".to_owned()), ..Step::default() },
                    Step { form: Some("form_id".to_owned()), ..Step::default() },
                ],
                request,
                expect: BTreeMap::from([("errcode".to_owned(), json!(row.errcode))]),
                // A refused send costs nothing.
                after: After { units: Some(1), steps: vec![logged], ..After::default() },
                ..Case::default()
            }
        })
        .collect()
}

fn request_with(place: &str, id: &str) -> Step {
    let set = |name: &str| BTreeMap::from([(name.to_owned(), json!(id))]);
    let get = |path: String| Step { get: Some(path), ..Step::default() };
    match place {
        "touser" | "template_id" => {
            Step { send: Some("subscribe".to_owned()), set: set(place), ..Step::default() }
        }
        "form_id" => Step { send: Some("template".to_owned()), set: set(place), ..Step::default() },
        "access_token" => get(format!("/wxaapi/newtmpl/gettemplate?access_token={id}")),
        "appid" => get(format!("/cgi-bin/token?grant_type=client_credential&appid={id}&secret=any")),
        "secret" => get(format!("/cgi-bin/token?grant_type=client_credential&appid=$appid&secret={id}")),
        "js_code" => get(format!(
            "/sns/jscode2session?appid=$appid&secret=$secret&js_code={id}&grant_type=authorization_code"
        )),
        "tid" => Step {
            post: Some("/wxaapi/newtmpl/addtemplate?access_token=$token".to_owned()),
            body: Some(json!({ "tid": id, "kidList": [1, 2], "sceneDesc": "取餐" }).to_string()),
            ..Step::default()
        },
        other => panic!("no request is known for a magic id as {other}"),
    }
}

/// The path of a step's request, without parameters.
pub fn path_of(step: &Step) -> String {
    let asked = match step.send.as_deref() {
        Some("subscribe") => "/cgi-bin/message/subscribe/send",
        Some(_) => "/cgi-bin/message/wxopen/template/send",
        None if step.callback.is_some() => "/_sandbox/callback",
        None => [&step.get, &step.post, &step.put, &step.delete].into_iter().flatten().next().unwrap(),
    };
    asked.split('?').next().unwrap().to_owned()
}
