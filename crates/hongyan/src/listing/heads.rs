//! The heads of the columns for people, in Chinese.

use crate::text::word;

/// The head in the language of this process.
pub(super) fn shown(head: &'static str) -> &'static str {
    let chinese = HEADS.iter().find(|(english, _)| *english == head).map(|(_, chinese)| *chinese);
    chinese.map_or(head, |chinese| word(chinese, head))
}

/// Every head, and its Chinese. A test finds a head that is missing.
const HEADS: &[(&str, &str)] = &[
    ("A DAY", "每日上限"),
    ("ACCEPTED", "接收"),
    ("APP", "小程序"),
    ("APPID", "APPID"),
    ("ASKED", "查询时间"),
    ("AT", "时间"),
    ("ATTEMPTS", "尝试次数"),
    ("AVAILABLE", "可用"),
    ("CALL", "接口"),
    ("CANCELLED", "已取消"),
    ("DELIVERED", "已送达"),
    ("DESCRIPTION", "说明"),
    ("EFFECTS", "作用"),
    ("EVENT", "事件"),
    ("EXPIRE IN 1, 2, … 7 DAYS", "1、2、… 7 天内到期"),
    ("EXPIRE IN 24 H", "24 小时内到期"),
    ("EXPIRED", "已过期"),
    ("EXPIRES", "到期时间"),
    ("FAILED", "失败"),
    ("FAILED BECAUSE OF", "失败原因"),
    ("FIELDS", "字段"),
    ("FROM", "起始"),
    ("ID", "ID"),
    ("KIND", "种类"),
    ("LANES", "分道数"),
    ("LAST ANSWER", "最近的应答"),
    ("LEFT", "剩余"),
    ("NAME", "名称"),
    ("NEXT TRY", "下次尝试"),
    ("NODE", "节点"),
    ("OBJECT", "对象"),
    ("OF", "授予"),
    ("OPENID", "OPENID"),
    ("P95 MS", "P95 毫秒"),
    ("PENDING", "待投递"),
    ("REASON", "原因"),
    ("RECEIVED", "收到时间"),
    ("REFERENCE", "业务编号"),
    ("REFUSED", "被拒收"),
    ("REGISTERED", "登记时间"),
    ("RESULT", "结果"),
    ("RETRIED", "重试"),
    ("SEEN", "最近出现"),
    ("SENT", "已发出"),
    ("STATE", "状态"),
    ("TEMPLATE", "模板"),
    ("TEMPLATES", "模板数"),
    ("TO", "用户"),
    ("TYPE", "类型"),
    ("UNITS", "份数"),
    ("UNKNOWN", "结果未知"),
    ("UNLIMITED", "不限"),
    ("URL", "URL"),
    ("USED", "已用"),
    ("USERS", "用户数"),
    ("WHICH", "哪些分道"),
    ("WHO", "操作者"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The heads of the tables in the sources: those of CSV have small letters.
    fn heads(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                heads(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let columns = text.split("table: [").flat_map(|text| text.split("Column::"));
            let literals = columns.filter_map(|text| {
                let literal = text.trim_start_matches("at(").trim_start_matches("of(").strip_prefix('"')?;
                literal.split('"').next()
            });
            let is_head = |literal: &&str| literal.len() > 1 && literal.starts_with(char::is_uppercase);
            found.extend(literals.filter(is_head).map(str::to_owned));
        }
    }

    #[test]
    fn every_head_has_its_chinese_once() {
        let mut found = BTreeSet::new();
        heads(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let known: BTreeSet<String> = HEADS.iter().map(|(english, _)| (*english).to_owned()).collect();
        assert_eq!(known.len(), HEADS.len());
        let missing: Vec<_> = found.difference(&known).collect();
        assert!(missing.is_empty(), "write the Chinese of these heads into listing/heads.rs: {missing:?}");
        assert!(found.contains("FROM") && found.contains("STATE"), "{found:?}");
    }
}
