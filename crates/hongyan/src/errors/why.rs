//! Why a value of the configuration is not allowed.

use hongyan_gateway::config::{Place, Why};
use hongyan_gateway::vault::VaultError;
use hongyan_gateway::webhooks::{InvalidUrl, MAX_URL_BYTES};
use hongyan_wechat::{InvalidId, MAX_ID_CHARS};

use crate::text::Text;

impl From<&Why> for Text {
    fn from(why: &Why) -> Self {
        Self { zh: chinese(why), en: why.to_string() }
    }
}

impl From<&VaultError> for Text {
    fn from(error: &VaultError) -> Self {
        let zh = match error {
            VaultError::OtherKey { sealed, own } => {
                format!("它由另一个主密钥加密（其 id 为 {sealed}，当前主密钥的 id 为 {own}）")
            }
            VaultError::Damaged => "密文被改动过，或属于别的内容".to_owned(),
            VaultError::Malformed => "本版本不认识这种密文格式".to_owned(),
        };
        Self { zh, en: error.to_string() }
    }
}

/// Where a setting was given.
pub(super) fn at(place: &Place) -> String {
    match place {
        Place::File { path, line } => format!("{} 第 {line} 行", path.display()),
        Place::Variable(name) => format!("环境变量 {name}"),
        Place::Flag(name) => format!("参数 {name}"),
    }
}

/// A question for the name that was probably meant.
pub(super) fn meant(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("；是不是 {name}？")).unwrap_or_default()
}

/// A text that is no identifier.
pub(crate) fn invalid_id(InvalidId { kind, chars }: InvalidId) -> String {
    format!("{kind} 为 1 到 {MAX_ID_CHARS} 个字母、数字、- 或 _（这里有 {chars} 个字符）")
}

pub(super) fn chinese(why: &Why) -> String {
    match why {
        // Settings.
        Why::Empty => "不能为空".to_owned(),
        Why::NoText { found } => format!("应为加引号的文字，这里是 {found}"),
        Why::NoAddress => "应为 IP 地址和端口，例如 \"127.0.0.1:8780\" 或 \"[::1]:8780\"".to_owned(),
        Why::NoUrl(why) => format!("应为 URL：{why}"),
        Why::NoHttpUrl => "应为 http:// 或 https:// 开头的 URL".to_owned(),
        Why::OtherDatabase => "本版本只用 SQLite 保存数据；请写 sqlite:路径".to_owned(),
        Why::NoDatabase => "应为 sqlite:路径".to_owned(),
        Why::NoNodeName => "应为 1 到 64 个字母、数字、-、_ 或点".to_owned(),
        Why::NoLogFormat => "应为 auto、text 或 json".to_owned(),
        Why::NoList => "应为文字的列表，例如 [\"one\", \"two\"]".to_owned(),
        Why::NoHost(name) => format!("应为不带端口的主机名，不能是 {name:?}"),
        Why::NoHeader => "应为请求头的名称，例如 X-Forwarded-User".to_owned(),
        Why::NoNetwork(text) => format!("应为 IP 地址或网段，例如 10.0.0.0/8，不能是 {text:?}"),
        Why::NoNumber { from, to } => format!("应为 {from} 到 {to} 的整数"),
        Why::TooSmall(least) => format!("应为 0，或不小于 {least}"),
        Why::NoRatio => "应为 0 到 1 的数".to_owned(),
        Why::NoFlag => "应为 true 或 false".to_owned(),
        Why::NoWholeNumber => "应为不小于 0 的整数".to_owned(),
        Why::NoneOf(names) => format!("应为 {}", names.join(" 或 ")),
        Why::NoTime => "应为带时区的时间，例如 2030-01-01T00:00:00Z".to_owned(),
        Why::NoLogFilter { word, suggestion } => format!(
            "应为 error、warn、info、debug 或 trace，也可按模块设置（info,hongyan_gateway=debug），不能是 {word:?}{}",
            meant(*suggestion)
        ),
        Why::MisspeltModule { module, suggestion } => {
            format!("没有会写日志的模块 {module:?}{}", meant(Some(suggestion)))
        }
        Why::NoModule { module, ours } => {
            format!("没有会写日志的模块 {module:?}；本程序的模块有 {}", ours.join("、"))
        }
        Why::BothSet { one, other } => format!("{one} 和 {other} 都设置了，只能保留一个"),
        Why::Unreadable { path, why } => format!("不能读取 {}：{why}", path.display()),
        Why::Unwritable { path, why } => format!("不能写入 {}：{why}", path.display()),
        Why::EmptyFile(path) => format!("文件 {} 是空的", path.display()),
        // The set-up, and the values that the API checks, too.
        Why::NoTables(name) => format!("应为若干个表，写作 [[{name}]]"),
        Why::SettingInSetup => {
            "这是 hongyan.toml 的配置项；这个文件只能有 [[app]]、[[webhook]] 和 [[key]]".to_owned()
        }
        Why::Missing { key } => format!("缺少这一项，请设置 {key}"),
        Why::MissingSecret { key } => format!("缺少这一项，请设置 {key} 或 {key}_file"),
        Why::SameAs(place) => format!("与 {} 的那一项相同", at(place)),
        Why::Id(error) => invalid_id(*error),
        Why::LikeCredential => "开头与本网关的密钥、token 或会话相同".to_owned(),
        Why::NoDescription { most } => format!("应为至多 {most} 个字符的文字，不能有控制字符"),
        Why::NoScopes => "至少要有一个权限范围".to_owned(),
        Why::NoApps => "至少要有一个小程序；不写表示全部".to_owned(),
        Why::TooManyWebhooks(most) => format!("webhook 将超过 {most} 个"),
        Why::HasPassed => "已经过去了".to_owned(),
        Why::OtherThanStored(id) => format!(
            "与已保存的 API key {id} 不同，而 API key 不能修改：请为这一项换一个新的 secret，等旧的没人用了再吊销它"
        ),
        Why::NoCallbackToken { least, most } => {
            format!("Token 为 {least} 到 {most} 个字母和数字，与微信后台页面上的一致")
        }
        Why::AesKey(_) => "EncodingAESKey 为 43 个字母和数字；请从微信后台页面复制".to_owned(),
        Why::NoResendAfter { least, most } => format!("应为 {least} 到 {most} 秒，0 表示从不"),
        Why::NoAppSecret { most } => format!("AppSecret 为 1 到 {most} 个可见的 ASCII 字符"),
        Why::NoAppName { most } => format!("名称为 1 到 {most} 个字符"),
        Why::NoPaymentUnits { most } => format!("一次支付授予 1 到 {most} 条"),
        Why::NoKeyName { most } => format!("应为 1 到 {most} 个字符，不能有控制字符"),
        Why::TooMany(most) => format!("至多 {most} 个"),
        Why::NoEventType(names) => format!("应为其中之一：{}", names.join("、")),
        Why::NoScope(name) => format!(
            "没有权限范围 {name:?}；可用的有 messages、permits、apps、webhooks、audit、facade、access_token、keys、people 和 all"
        ),
        Why::Url(error) => invalid_url(*error),
        Why::NoToken { prefix, command } => {
            format!("应为 {prefix} 加 32 个随机字节的 base64url（43 个字符）；可这样生成：{command}")
        }
        Why::NoWebhookSecret { prefix, command } => {
            format!("应为 {prefix} 加 24 到 64 个随机字节的 base64；可这样生成：{command}")
        }
        Why::SecretLength { bytes, command } => {
            format!("有 {bytes} 个字节，应为 24 到 64 个；可这样生成：{command}")
        }
        Why::NotRandom { command } => format!("不是随机的，可能被猜到；可这样生成：{command}"),
        // The master key and TLS.
        Why::NoMasterKey(name) => format!("{name} 应为 64 个十六进制数字，或 32 个字节的 base64"),
        Why::SameKeyId => "新旧主密钥的 id 恰好相同；请另外生成一个".to_owned(),
        Why::KeyIsSet => {
            "主密钥由配置指定，这里不会生成新的：请把 master_key（或 master_key_file）设为新的主密钥，把 \
                          master_key_previous（或 master_key_previous_file）设为现在的主密钥"
                .to_owned()
        }
        Why::PreviousKeyIsThere(path) => format!(
            "文件 {} 已经存在：请先完成上一次更换（不加 --generate 再运行本命令），然后把这个文件移走",
            path.display()
        ),
        Why::TlsInPart => "tls_listen、tls_certificate 和 tls_key 要同时设置，或都不设置".to_owned(),
        Why::NoPem(path) => format!("{} 不是 PEM", path.display()),
        Why::NoCertificate(path) => format!("{} 里没有证书（BEGIN CERTIFICATE）", path.display()),
        Why::NoPrivateKey(path) => {
            format!("{} 里没有私钥（BEGIN PRIVATE KEY，不带密码）", path.display())
        }
        Why::OtherCertificate { key, certificate } => {
            format!("{} 里的私钥不属于 {} 里的证书", key.display(), certificate.display())
        }
        Why::BadCertificate { certificate, why } => format!("{}：{why}", certificate.display()),
        Why::Rustls(why) => why.clone(),
    }
}

fn invalid_url(error: InvalidUrl) -> String {
    match error {
        InvalidUrl::Malformed => "不是 URL".to_owned(),
        InvalidUrl::TooLong => format!("超过 {MAX_URL_BYTES} 字节"),
        InvalidUrl::NotHttps => "应以 https:// 开头；设置 webhook_allow_http 后也可用 http://".to_owned(),
        InvalidUrl::UserInfo => "不能含用户名或密码；签名已能说明发送方是谁".to_owned(),
        InvalidUrl::Fragment => "不能有片段（#…）".to_owned(),
        InvalidUrl::Private => "指向非公网地址；设置 webhook_allow_private 后可用".to_owned(),
    }
}
