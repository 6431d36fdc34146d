//! The generated part of a page. Two marks enclose it, so that the text around it stays.

use std::path::Path;

use super::table::{Language, Table};
use super::{Report, tables};
use crate::Result;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Replaces the text between the marks of a page.
pub(super) fn write(path: &Path, measured: &str) -> Result {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let page = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let page = replace(&page, measured)
        .ok_or_else(|| failed(&format!("there are no lines {BEGIN} and {END}, in this order")))?;
    std::fs::write(path, page).map_err(|error| failed(&error))
}

fn replace(page: &str, measured: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", measured.trim()))
}

/// The machine, the command and the tables.
pub(super) fn measured(report: &Report, language: Language) -> String {
    let machine = &report.machine;
    let mut facts = vec![
        (language.say("date", "日期"), machine.date.clone()),
        (language.say("commit", "提交"), machine.commit.clone()),
        (
            language.say("processor", "处理器"),
            format!("{}, {} {}", machine.processor, machine.cores, language.say("cores", "核")),
        ),
        (language.say("memory", "内存"), format!("{:.1} GiB", machine.memory_gib)),
        (language.say("system", "系统"), format!("{}, Linux {}", machine.system, machine.kernel)),
        (language.say("filesystem of the databases", "数据库所在文件系统"), machine.filesystem.clone()),
    ];
    let versions =
        machine.versions.iter().map(|(name, version)| (*name, version.clone().unwrap_or_else(|| "–".into())));
    facts.extend(versions);
    let mut table = Table::new(language.say("Measured on", "测量环境"), &["", ""]);
    for (name, value) in facts {
        table.row([name.to_owned(), value]);
    }
    let environment = table.markdown().replace("---:", "---");
    let tables: Vec<String> = tables::all(report, language).iter().map(Table::markdown).collect();
    format!("```sh\n{}\n```\n\n{environment}\n{}", report.command, tables.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nprofiles\n");
        let new = replace(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nprofiles\n"));
        assert_eq!(replace(&new, "new").as_deref(), Some(new.as_str()), "the second write changed the page");
        assert_eq!(replace("no marks", "new"), None);
    }
}
