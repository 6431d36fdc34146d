//! An error in the command line, in Chinese. The English is clap's own.

use std::error::Error as _;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorFormatter, ErrorKind};

use hongyan_gateway::config::Why;

use super::{help, words};
use crate::errors::invalid_id;
use crate::text::Text;

/// Writes errors in Chinese.
pub(super) struct InChinese;

type Error = clap::error::Error<InChinese>;

impl ErrorFormatter for InChinese {
    fn format_error(error: &Error) -> StyledStr {
        let mut text = format!("错误：{}", what(error));
        for (kind, name) in [
            (ContextKind::SuggestedSubcommand, "命令"),
            (ContextKind::SuggestedArg, "参数"),
            (ContextKind::SuggestedValue, "值"),
        ] {
            if let Some(names) = texts(error, kind) {
                let _ = write!(text, "\n\n  提示：有名称相近的{name}：{}", names.join("、"));
            }
        }
        if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
            let _ = write!(text, "\n\n{}", help::framed(&usage.to_string()));
        }
        text.push_str("\n\n详细用法见 --help。\n");
        text.into()
    }
}

/// What is wrong.
fn what(error: &Error) -> String {
    let argument = one(error, ContextKind::InvalidArg);
    let value = one(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => format!("不认识的参数 {argument}"),
        ErrorKind::InvalidSubcommand => {
            format!("不认识的命令 {}", one(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand => {
            let command = one(error, ContextKind::InvalidSubcommand);
            format!("{command} 后面缺少子命令{}", choices("子命令", error, ContextKind::ValidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => {
            let names = texts(error, ContextKind::InvalidArg).unwrap_or_default();
            format!("缺少必需的参数：\n  {}", names.join("\n  "))
        }
        ErrorKind::ArgumentConflict => conflict(error, &argument),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{argument} 需要一个值{}", choices("可选值", error, ContextKind::ValidValue))
        }
        ErrorKind::InvalidValue => {
            format!("{argument} 的值 '{value}' 不可用{}", choices("可选值", error, ContextKind::ValidValue))
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!("：{}", reason(why))).unwrap_or_default();
            format!("{argument} 的值 '{value}' 不可用{why}")
        }
        ErrorKind::TooManyValues => format!("{argument} 不能再有值 '{value}'"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("{argument} 的值的个数不对"),
        ErrorKind::NoEquals => format!("{argument} 的值要用等号给出"),
        ErrorKind::InvalidUtf8 => "参数不是合法的 UTF-8".to_owned(),
        other => other.to_string(),
    }
}

fn conflict(error: &Error, argument: &str) -> String {
    match texts(error, ContextKind::PriorArg) {
        Some(others) if others == [argument] => format!("{argument} 不能重复"),
        Some(others) => format!("{argument} 与 {} 不能同时使用", others.join("、")),
        None => format!("{argument} 与其他参数不能同时使用"),
    }
}

/// Why a parser of values refused a value.
fn reason(why: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = why.downcast_ref() {
        return invalid_id(*error);
    }
    if let Some(why) = why.downcast_ref::<Why>() {
        return Text::from(why).zh;
    }
    let why = why.to_string();
    if let Some((value, range)) = why.split_once(" is not in ") {
        return format!("{value} 不在 {range} 之内");
    }
    words::chinese_of_error(&why).map_or(why, str::to_owned)
}

fn choices(name: &str, error: &Error, kind: ContextKind) -> String {
    let names = texts(error, kind).filter(|names| !names.is_empty());
    names.map(|names| format!("\n  [{name}：{}]", names.join(", "))).unwrap_or_default()
}

fn one(error: &Error, kind: ContextKind) -> String {
    texts(error, kind).unwrap_or_default().join(" ")
}

fn texts(error: &Error, kind: ContextKind) -> Option<Vec<String>> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(vec![text.clone()]),
        ContextValue::Strings(texts) => Some(texts.clone()),
        _ => None,
    }
}
