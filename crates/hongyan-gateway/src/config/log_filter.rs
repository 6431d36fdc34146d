//! Checks the setting `log`, because a misspelt filter silences the log.
//!
//! The filter takes every word that is not a level for the name of a module, and then logs only that module: with `warning`
//! instead of `warn` nothing is logged.

use super::closest::closest;
use super::why::Why;

/// The names of the levels. A level may also be a number, 0 (off) to 5 (trace).
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Modules that log: the crates of this project, and libraries whose logs help to find a fault.
const MODULES: [&str; 20] = [
    "audit",
    "axum",
    "h2",
    "hongyan",
    "hongyan_clock",
    "hongyan_gateway",
    "hongyan_ledger",
    "hongyan_sandbox",
    "hongyan_store",
    "hongyan_sync",
    "hongyan_wechat",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "refinery_core",
    "request",
    "rustls",
    "tokio",
    "tower",
    "tower_http",
];

/// Checks each directive of a filter.
///
/// # Errors
/// When a word is neither a level nor a module that logs. The error suggests a similar word.
pub fn check_log_filter(filter: &str) -> Result<(), Why> {
    let directives = directives(filter);
    if directives.iter().all(|directive| directive.is_empty()) {
        return Err(takes(filter, None));
    }
    directives.into_iter().filter(|directive| !directive.is_empty()).try_for_each(check)
}

fn check(directive: &str) -> Result<(), Why> {
    // A part in brackets names spans, not a module.
    let end_of_module = directive.find(['[', '=']).unwrap_or(directive.len());
    let (module, rest) = directive.split_at(end_of_module);
    if rest.is_empty() {
        if is_level(module) || is_module(module) {
            return Ok(());
        }
        return Err(takes(
            module,
            closest(&module.to_ascii_lowercase(), LEVELS.iter().chain(&MODULES).copied()),
        ));
    }
    if let Some(level) = after_brackets(rest).strip_prefix('=')
        && !is_level(level)
    {
        return Err(takes(level, closest(&level.to_ascii_lowercase(), LEVELS)));
    }
    if module.is_empty() || is_module(module) {
        return Ok(());
    }
    // Other libraries are not in the list. Their modules are accepted, unless the name resembles a known module.
    let crate_name = module.split("::").next().unwrap_or_default();
    match closest(crate_name, MODULES) {
        Some(suggestion) => Err(Why::MisspeltModule { module: module.to_owned(), suggestion }),
        None if crate_name.starts_with("hongyan") => {
            Err(Why::NoModule { module: module.to_owned(), ours: ours() })
        }
        None => Ok(()),
    }
}

fn ours() -> Vec<&'static str> {
    MODULES.into_iter().filter(|module| module.starts_with("hongyan")).collect()
}

fn takes(word: &str, suggestion: Option<&'static str>) -> Why {
    Why::NoLogFilter { word: word.to_owned(), suggestion }
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
        || word.parse::<usize>().is_ok_and(|number| number < LEVELS.len())
}

fn is_module(word: &str) -> bool {
    MODULES.contains(&word.split("::").next().unwrap_or_default())
}

/// The parts between commas outside brackets: `[request{a=1,b=2}]=debug` is one part.
fn directives(filter: &str) -> Vec<&str> {
    let (mut depth, mut begins_at, mut parts) = (0_usize, 0, Vec::new());
    for (at, letter) in filter.char_indices() {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(filter[begins_at..at].trim());
                begins_at = at + 1;
            }
            _ => {}
        }
    }
    parts.push(filter[begins_at..].trim());
    parts
}

fn after_brackets(rest: &str) -> &str {
    match rest.strip_prefix('[') {
        Some(spans) => spans.rsplit_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_that_log_are_taken() {
        for filter in [
            "info",
            "WARN",
            "off",
            "3",
            "info,hongyan_gateway=debug",
            "warn, hongyan_gateway::facade=trace,",
            "hongyan_store",
            "hyper=off,error",
            "some_library=debug,info",
            "info,[request{app=wx1,to=o1}]=debug",
            "hongyan_gateway[send]=trace",
            "info,audit=info",
            "info,request=debug",
        ] {
            assert_eq!(check_log_filter(filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn a_word_that_would_silence_the_log_is_refused_with_what_was_meant() {
        for (filter, meant) in [
            ("warning", "did you mean warn?"),
            ("Information", "takes error"),
            ("err", "did you mean error?"),
            ("inf", "did you mean info?"),
            ("verbose", "not \"verbose\""),
            ("info,debgu", "did you mean debug?"),
            ("hongyan_gateway=warning", "did you mean warn?"),
            ("info,hongyan_gatway=debug", "did you mean hongyan_gateway?"),
            ("info,hongyan-gateway=debug", "did you mean hongyan_gateway?"),
            ("hongyan_nothing_of_ours=debug", "ours are hongyan,"),
            ("[request]=loud", "not \"loud\""),
            ("6", "not \"6\""),
            (" , ", "takes error"),
        ] {
            let error = check_log_filter(filter).unwrap_err().to_string();
            assert!(error.contains(meant), "{filter}: {error}");
        }
    }
}
