//! The errors of the library crates in both languages. The English is each error's own. What the system, SQLite or a parser
//! says inside an error stays as it is.
//!
//! | module | knows |
//! | --- | --- |
//! | [`why`] | why a value of the configuration is not allowed |
//! | [`setup`] | the set-up: what a start does and leaves; what others could read |

use hongyan_gateway::GatewayError;
use hongyan_gateway::config::ConfigError;
use hongyan_gateway::people::admin::PeopleError;
use hongyan_sandbox::SandboxError;
use hongyan_store::StoreError;

use crate::text::Text;

mod setup;
mod why;

pub(crate) use why::invalid_id;
use why::{at, chinese, meant};

impl From<&ConfigError> for Text {
    fn from(error: &ConfigError) -> Self {
        let zh = match error {
            ConfigError::Unreadable { path, why } => format!("不能读取 {}：{why}", path.display()),
            ConfigError::Syntax { place, why } => format!("{}：不是合法的 TOML：{why}", at(place)),
            ConfigError::Unknown { place, key, suggestion } => {
                format!("{}：没有配置项 {key}{}", at(place), meant(suggestion.as_deref()))
            }
            ConfigError::Value { place, key, why } => format!("{}：{key}：{}", at(place), chinese(why)),
            ConfigError::Database { why } => format!("database：{}", chinese(why)),
            ConfigError::UserHeader => {
                "console_user_header 和 console_user_header_from 要同时设置，或都不设置".to_owned()
            }
            ConfigError::Tls { why } => format!("TLS 不可用：{}", chinese(why)),
            ConfigError::MasterKey { why } => format!("主密钥不可用：{}", chinese(why)),
            ConfigError::NoMasterKey { path } => format!(
                "数据库里有密文，却没有主密钥：请把加密时用的主密钥放到 {}，或设置 master_key 或 master_key_file",
                path.display()
            ),
            ConfigError::Sealed { appid, why } => format!(
                "小程序 {appid} 的密文解不开：{}；请用加密时的主密钥启动，或把它设为 master_key_previous",
                Self::from(why).zh
            ),
        };
        Self { zh, en: error.to_string() }
    }
}

impl From<&StoreError> for Text {
    fn from(error: &StoreError) -> Self {
        let zh = match error {
            StoreError::Open { path, why } => format!("不能打开数据库 {path}：{why}"),
            StoreError::Newer { path, found, known } => format!(
                "数据库 {path} 的表结构是版本 {found}，本程序只认识到版本 {known}：它由更新的版本写过；请使用那个版本，或恢复备份"
            ),
            StoreError::Full { verb, why } => {
                format!("磁盘已满，数据库无法完成操作（{verb}）：{why}；请清理磁盘")
            }
            StoreError::Failed { verb, why } => format!("数据库出错（{verb}）：{why}"),
            StoreError::Corrupt(what) => format!(
                "数据库已损坏，或被手工改动过：{what}。请保留这个文件；`hongyan check` 会检查整个数据库，\
                 `hongyan restore FILE --force` 用备份替换它"
            ),
            StoreError::TookTooLong { verb } => format!("查询耗时过长（{verb}）；请缩小范围"),
            StoreError::Closed => "数据库已经关闭".to_owned(),
        };
        Self { zh, en: error.to_string() }
    }
}

impl From<&GatewayError> for Text {
    fn from(error: &GatewayError) -> Self {
        let zh = match error {
            GatewayError::Config(error) => return error.into(),
            GatewayError::Store(error) => return error.into(),
            GatewayError::Wechat(error) => format!("不能建立访问微信的客户端：{error}"),
            GatewayError::Webhooks(error) => format!("不能建立访问 webhook 的客户端：{error}"),
            GatewayError::Copy { path, why } => format!(
                "数据库的表结构需要升级，升级之前无法把数据库复制到 {path}：{why}；请腾出磁盘空间，或在别处备份并设置 copy_before_upgrade = false"
            ),
            GatewayError::Traces(why) => format!("otlp_endpoint：不能导出链路追踪：{why}"),
            GatewayError::Setup { step, why } => format!("配置无法生效：{}：{why}", Self::from(step).zh),
            GatewayError::DataDir { path, why } => {
                format!("数据目录 {path} 不可用：{why}；请创建这个目录，或把 data_dir 设为当前用户可写的目录")
            }
            GatewayError::Listen(error) => format!("HTTP 监听出错：{error}"),
        };
        Self { zh, en: error.to_string() }
    }
}

impl From<&SandboxError> for Text {
    fn from(error: &SandboxError) -> Self {
        let zh = match error {
            SandboxError::StateFile { path, source } => format!("状态文件 {}：{source}", path.display()),
            SandboxError::StateFormat { path, source } => {
                format!("状态文件 {} 无法读取：{source}；删除这个文件即可从头开始", path.display())
            }
            SandboxError::StateVersion { path, found, expected } => format!(
                "状态文件 {} 是版本 {found}，本沙箱需要版本 {expected}；删除这个文件即可从头开始",
                path.display()
            ),
            SandboxError::Listen(error) => format!("沙箱无法接受连接：{error}"),
        };
        Self { zh, en: error.to_string() }
    }
}

impl From<&PeopleError> for Text {
    fn from(error: &PeopleError) -> Self {
        let zh = match error {
            PeopleError::Name => "用户名由字母、数字和 . _ @ + - 组成，且不能过长".to_owned(),
            PeopleError::Taken(name) => format!("用户名 {name} 已被使用"),
            PeopleError::Unknown(name) => format!("没有人员 {name}"),
            PeopleError::LastAdmin(name) => format!("{name} 是唯一的管理员；请先让另一个人成为管理员"),
            PeopleError::TooMany(_) => "同时登录的人太多，请稍后再试".to_owned(),
            PeopleError::Store(error) => return error.into(),
        };
        Self { zh, en: error.to_string() }
    }
}
