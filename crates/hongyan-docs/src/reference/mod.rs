//! The calls of the gateway and of the sandbox, from their OpenAPI descriptions.
//!
//! | module | knows |
//! | --- | --- |
//! | `model` | the calls of a description, in groups |
//! | `schema` | what a body or a parameter consists of, as HTML |
//! | `example` | a value for a schema, and a call with curl |
//! | `words` | the words, and the Chinese names of groups |

pub(crate) mod example;
pub(crate) mod model;
pub(crate) mod schema;
pub(crate) mod words;

use std::sync::LazyLock;

use hongyan_ui::Language;

use crate::place;
use crate::search::Place;
use model::{Api, Group};

/// The address of an API in a language, or of a group of its calls.
pub(crate) fn address(language: Language, api: &Api, group: Option<&Group>) -> String {
    let group = group.map(|group| format!("/{}", group.slug)).unwrap_or_default();
    place::address(language, &format!("reference/{}{group}", api.slug))
}

static APIS: LazyLock<[Api; 2]> = LazyLock::new(|| {
    [
        Api::new("gateway", "$GATEWAY", hongyan_gateway::description(), &hongyan_gateway::calls_in_chinese()),
        Api::new("sandbox", "$SANDBOX", hongyan_sandbox::description(), &hongyan_sandbox::calls_in_chinese()),
    ]
});

/// The APIs.
pub(crate) fn apis() -> &'static [Api] {
    &*APIS
}

/// An API by its name in addresses.
pub(crate) fn api(slug: &str) -> Option<&'static Api> {
    apis().iter().find(|api| api.slug == slug)
}

/// A call, for the search.
struct Findable {
    address: String,
    api: &'static str,
    heading: String,
    about: String,
}

static TEXTS: LazyLock<[Vec<Findable>; 2]> = LazyLock::new(|| [Language::En, Language::Zh].map(texts));

fn texts(language: Language) -> Vec<Findable> {
    let mut texts = Vec::new();
    for api in apis() {
        for group in &api.groups {
            for call in &group.calls {
                texts.push(Findable {
                    address: format!("{}#{}", address(language, api, Some(group)), call.anchor),
                    api: words::Words(language).api(api.slug),
                    heading: call.shown(),
                    about: format!("{} {}", call.summary(language), call.description()),
                });
            }
        }
    }
    texts
}

/// All calls, for the search.
pub(crate) fn places(language: Language) -> Vec<Place<'static>> {
    let texts: &'static [Findable] = &TEXTS[language.pick(1, 0)];
    let place = |call: &'static Findable| Place {
        address: call.address.clone(),
        page: call.api,
        heading: &call.heading,
        text: &call.about,
    };
    texts.iter().map(place).collect()
}
