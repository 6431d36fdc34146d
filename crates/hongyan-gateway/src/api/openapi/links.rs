//! The links from a call's answer to other calls: one table, written into the description.

use serde_json::{Map, Value, json};

/// A link from one call's answer to another call.
struct Link {
    /// The operation id of the call that answers.
    from: &'static str,
    /// The answer's status.
    status: &'static str,
    /// The operation id of the linked call.
    to: &'static str,
    /// The linked call's parameters, and the expressions that give their values.
    parameters: &'static [(&'static str, &'static str)],
}

const fn link(
    from: &'static str,
    status: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Link {
    Link { from, status, to, parameters }
}

const ID: &[(&str, &str)] = &[("id", "$response.body#/id")];
const APP: &[(&str, &str)] = &[("appid", "$response.body#/appid")];
const SAME_ID: &[(&str, &str)] = &[("id", "$request.path.id")];
const SAME_APP: &[(&str, &str)] = &[("appid", "$request.path.appid")];
const NEXT_PAGE: &[(&str, &str)] = &[("cursor", "$response.body#/next_cursor")];

/// All links.
const LINKS: &[Link] = &[
    link("send_messages", "202", "show_message", ID),
    link("send_messages", "202", "cancel_message", ID),
    link("send_messages", "202", "resolve_message", ID),
    link("list_messages", "200", "list_messages", NEXT_PAGE),
    link("list_messages", "200", "show_message", &[("id", "$response.body#/messages/0/id")]),
    link("show_message", "200", "show_timeline", ID),
    link("show_message", "200", "cancel_message", ID),
    link("show_message", "200", "resolve_message", ID),
    link(
        "show_message",
        "200",
        "list_permits",
        &[("app", "$response.body#/app"), ("openid", "$response.body#/to")],
    ),
    link("list_events", "200", "list_events", NEXT_PAGE),
    link("register_app", "201", "show_app", APP),
    link("register_app", "201", "change_app", APP),
    link("register_app", "201", "list_templates", APP),
    link("register_app", "201", "list_gateway_tokens", APP),
    link("register_app", "201", "look_through_library", APP),
    link("register_app", "201", "remove_app", APP),
    link(
        "list_templates",
        "200",
        "show_template",
        &[("appid", "$request.path.appid"), ("template", "$response.body#/templates/0/template")],
    ),
    link(
        "list_gateway_tokens",
        "200",
        "revoke_gateway_token",
        &[("appid", "$request.path.appid"), ("id", "$response.body#/tokens/0/id")],
    ),
    link("pause_app", "200", "resume_app", SAME_APP),
    link("create_webhook", "201", "show_webhook", ID),
    link("create_webhook", "201", "change_webhook", ID),
    link("create_webhook", "201", "test_webhook", ID),
    link("create_webhook", "201", "list_deliveries", ID),
    link("create_webhook", "201", "remove_webhook", ID),
    link("test_webhook", "202", "list_deliveries", SAME_ID),
    link(
        "list_deliveries",
        "200",
        "list_deliveries",
        &[("id", "$request.path.id"), ("cursor", "$response.body#/next_cursor")],
    ),
];

/// The links of one answer of a call.
pub(super) fn of(call: &str, status: &str) -> Map<String, Value> {
    let links = LINKS.iter().filter(|link| link.from == call && link.status == status);
    links
        .map(|link| {
            let parameters: Map<String, Value> =
                link.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            (link.to.to_owned(), json!({ "operationId": link.to, "parameters": parameters }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_link_leads_from_an_answer_to_a_parameter() {
        let description = description();
        let mut calls = BTreeMap::new();
        for item in description.0["paths"].as_object().unwrap().values() {
            for call in item.as_object().unwrap().values() {
                calls.insert(call["operationId"].as_str().unwrap(), call);
            }
        }
        for link in LINKS {
            let what = format!("{} → {}", link.from, link.to);
            let answer = &calls.get(link.from).unwrap_or_else(|| panic!("{what}"))["responses"][link.status];
            assert!(answer["links"][link.to].is_object(), "{what}");
            let target = calls.get(link.to).unwrap_or_else(|| panic!("{what}"));
            for (name, _) in link.parameters {
                let parameters = target["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|parameter| parameter["name"] == *name), "{what}: {name}");
            }
        }
    }
}
