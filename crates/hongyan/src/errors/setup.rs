//! What a start does about the set-up, what it leaves, and what others could read.

use hongyan_gateway::door::clear::Warning;
use hongyan_gateway::setup::{Remark, StepName};

use crate::text::Text;

impl From<&StepName> for Text {
    fn from(step: &StepName) -> Self {
        let zh = match step {
            StepName::Compare => "比较数据库与配置".to_owned(),
            StepName::AddApp(appid) => format!("登记小程序 {appid}"),
            StepName::ChangeApp(appid, what) => format!("修改小程序 {appid} 的 {}", what.join("、")),
            StepName::AddWebhook(name, id) => format!("新增 webhook {name}（{id}）"),
            StepName::ChangeWebhook(name, id, what) => {
                format!("修改 webhook {name}（{id}）的 {}", what.join("、"))
            }
            StepName::AddKey(name) => format!("创建 API key {name}"),
        };
        Self { zh, en: step.to_string() }
    }
}

impl From<&Remark> for Text {
    fn from(remark: &Remark) -> Self {
        let zh = match remark {
            Remark::KeyIsRevoked { name, id } => {
                format!(
                    "API key {name}（{id}）已被吊销，不会恢复：请从配置里去掉这一项，或给它一个新的 secret"
                )
            }
            Remark::KeyHasExpired { name, id } => {
                format!("API key {name}（{id}）已过期：请从配置里去掉这一项，或给它一个新的 secret")
            }
            Remark::AppStays(appid) => {
                format!("小程序 {appid} 已登记，配置里没有它。它保持原样；移除：hongyan app remove {appid}")
            }
            Remark::WebhookStays { id, description } => format!(
                "webhook {id}（{description}）由配置建立，现在配置里没有它。它保持原样；移除：DELETE /v1/webhooks/{id}"
            ),
            Remark::KeyStays { name, id } => format!(
                "API key {id}（{name}）由配置创建，现在配置里没有它。它保持原样，仍然可用；吊销：hongyan key revoke {id}"
            ),
        };
        Self { zh, en: remark.to_string() }
    }
}

impl From<&Warning> for Text {
    fn from(warning: &Warning) -> Self {
        let zh = match warning {
            Warning::Wechat { host } => format!(
                "wechat_base_url 是 http，指向 {host}：AppSecret、access_token 和消息都不加密传输；请用 https"
            ),
            Warning::Listen(address) => format!(
                "listen 是 {address}，其他机器可以访问，且没有 TLS：API key 和密钥都不加密传输；请在本机放一个 TLS 代理并监听 \
                 127.0.0.1，或设置 tls_listen"
            ),
            Warning::AdminListen(address) => {
                format!("admin_listen 是 {address}，其他机器可以访问：指标和健康检查不需要密钥")
            }
            Warning::TlsKey(path) => {
                format!("TLS 私钥文件 {0} 可被本机其他用户读取：chmod o-rwx {0}", path.display())
            }
            Warning::ConfigurationFile(path) => {
                format!("配置文件 {0} 里有密钥，却可被属主以外的用户读取：chmod 600 {0}", path.display())
            }
        };
        Self { zh, en: warning.to_string() }
    }
}
