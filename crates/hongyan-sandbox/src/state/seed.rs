//! The contents of a fresh sandbox. The ids are constants, so that documentation can name them.

use hongyan_wechat::{AppId, OpenId, TemplateId};

use super::templates::{Family, Field, Template};

/// The app, the user and the templates that every fresh sandbox has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Seed {
    /// The app.
    pub appid: String,
    /// Its AppSecret. It opens nothing but a sandbox.
    pub app_secret: String,
    /// The user who holds the phone.
    pub openid: String,
    /// A template of template messages, with `keyword1` to `keyword3`.
    pub legacy_template: String,
    /// A template of subscribe messages, once for each acceptance, with `thing1`, `date2` and `amount3`.
    pub subscribe_template: String,
    /// A template of subscribe messages, long-term, with `thing1` and `time2`.
    pub long_term_template: String,
}

impl Seed {
    /// The constants.
    pub(crate) fn constant() -> Self {
        Self {
            appid: "wx0123456789abcdef".into(),
            app_secret: "0123456789abcdef0123456789abcdef".into(),
            openid: "oSandboxUser0000000000000001".into(),
            legacy_template: "SandboxLegacyTemplate-Order-000000000000001".into(),
            subscribe_template: "SandboxSubscribeTemplate-Paid-0000000000001".into(),
            long_term_template: "SandboxLongTermTemplate-Trip-00000000000001".into(),
        }
    }

    pub(crate) fn app_id(&self) -> AppId {
        self.appid.parse().expect("the constant is an appid")
    }

    pub(crate) fn open_id(&self) -> OpenId {
        self.openid.parse().expect("the constant is an openid")
    }

    /// The templates under these ids.
    pub(crate) fn templates(&self) -> [Template; 3] {
        let id = |text: &str| TemplateId::try_from(text).expect("the constant is a template id");
        starting_templates([
            id(&self.legacy_template),
            id(&self.subscribe_template),
            id(&self.long_term_template),
        ])
    }
}

/// The templates that every app starts with: legacy, one-time and long-term.
pub(crate) fn starting_templates([legacy, once, long_term]: [TemplateId; 3]) -> [Template; 3] {
    [
        Template {
            id: legacy,
            family: Family::Legacy,
            title: "订单提交成功通知".into(),
            fields: vec![
                Field::new("keyword1", "订单内容", "拿铁咖啡一杯"),
                Field::new("keyword2", "提交时间", "2026年5月1日 09:30"),
                Field::new("keyword3", "订单状态", "已受理"),
            ],
        },
        Template {
            id: once,
            family: Family::Once,
            title: "订单支付成功通知".into(),
            fields: vec![
                Field::new("thing1", "商品名称", "拿铁咖啡"),
                Field::new("date2", "支付时间", "2026年5月1日 09:30"),
                Field::new("amount3", "支付金额", "￥18.00"),
            ],
        },
        Template {
            id: long_term,
            family: Family::LongTerm,
            title: "出行提醒".into(),
            fields: vec![
                Field::new("thing1", "行程", "北京南 — 上海虹桥"),
                Field::new("time2", "出发时间", "2026年5月1日 09:30"),
            ],
        },
    ]
}
