//! WeChat's calls over HTTP.

mod chaos;
mod sends;
mod templates;
mod tokens_and_logins;
