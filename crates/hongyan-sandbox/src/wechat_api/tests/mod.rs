//! WeChat's calls over HTTP.

mod chaos;
mod magic;
mod sends;
mod templates;
mod tokens_and_logins;
