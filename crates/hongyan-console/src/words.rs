//! What all pages call things, in both languages.

use hongyan_ui::texts;

texts! {
    /// The words of all pages.
    pub(crate) struct Words;

    // The frame.
    hongyan = "鸿雁", "Hongyan";
    counting = "正在统计，完成后自动显示。", "Counting. The figures appear here when they are ready.";
    counted_at = "统计于", "Counted at";
    log_out = "退出", "Log out";
    gateway = "网关首页", "The gateway's page";
    errcodes = "错误码", "Errcodes";
    docs = "文档", "Docs";
    problems = "错误类型", "Problems";

    // Places.
    overview = "总览", "Overview";
    messages = "消息", "Messages";
    users = "用户", "Users";
    reach = "可触达", "Reach";
    stats = "统计", "Figures";
    chart_of_sent(step: &str, most: &str) = "发出与失败的消息（每 {step}），最多 {most}", "Messages sent and lost in each {step}; at most {most} sent";
    legend_sent = "已发出", "sent";
    legend_lost = "失败、拒收、过期", "failed, refused, expired";
    apps = "小程序", "Apps";
    events = "微信推送", "Events";
    webhooks = "Webhook", "Webhooks";
    nodes = "节点", "Nodes";
    keys = "API 密钥", "API keys";
    people = "人员", "People";
    audit = "审计", "Audit";

    // What stands in every table and form.
    app = "小程序", "App";
    all_apps = "全部小程序", "All apps";
    template = "模板", "Template";
    openid = "openid", "openid";
    state = "状态", "State";
    all_states = "全部状态", "All states";
    reason = "原因", "Reason";
    reference = "业务编号", "Reference";
    time = "时间", "Time";
    since = "起（UTC+8）", "Since (UTC+8)";
    until = "止（UTC+8）", "Until (UTC+8)";
    times_in_utc = "本页的时间为 UTC。", "The times on this page are in UTC.";
    times_in_zone = "本页的时间为 #。", "The times on this page are in the zone #.";
    name = "名称", "Name";
    search = "搜索", "Search";
    filter = "筛选", "Filter";
    clear = "清除", "Clear";
    save = "保存", "Save";
    cancel = "取消", "Cancel";
    back = "返回", "Back";
    pages = "翻页", "Pages";
    next_page = "下一页", "Next page";
    first_page = "第一页", "First page";
    end_of_list = "没有更多了", "That is all";
    none = "无", "None";
    copy = "复制", "Copy";
    copied = "已复制", "Copied";
    actions = "操作", "Actions";
    details = "详情", "Details";
    never = "从未", "Never";
    shown_once = "只显示这一次，请立即保存。", "It is shown this once: keep it now.";

    colon = "：", ": ";

    // Refusals.
    refused = "没有完成", "That was not done";
    not_found = "没有这个页面或对象", "There is no such page or object";
    not_found_then = "地址可能有误，或者对象已被删除。", "The address may be wrong, or the object is gone.";
    not_allowed = "您的角色不能这样做，请联系管理员。", "Your role does not allow this. Ask an admin.";
    store_is_away = "数据库暂时不可用", "The database is not available at the moment";
    store_is_away_then = "已受理的消息不会丢失。请稍后重新加载。", "No accepted message is lost. Load this page again in a while.";
    person_is_unknown = "您没有控制台账号", "You may not use the console";
    person_is_unknown_then(name: &str) = "代理服务器说您是“{name}”，但没有这个用户。请管理员添加。", "The proxy says that you are “{name}”, and there is no such person. Ask an admin to add you.";
    foreign_form = "表单已过期：请重新打开页面再提交。", "The form has expired: open its page again, and send it from there.";
    changed_meanwhile = "别人刚刚修改过它：请查看现在的内容，再重试。", "Somebody else has changed it meanwhile: look at it as it is now, and try again.";
    explanation = "说明", "Explanation";
}

impl Words {
    /// The state of a message.
    pub(crate) fn state_name(self, state: &str) -> &str {
        let (zh, en) = match state {
            "scheduled" => ("定时", "scheduled"),
            "ready" => ("待发", "ready"),
            "waiting" => ("等待额度", "waiting"),
            "sending" => ("发送中", "sending"),
            "sent" => ("已发出", "sent"),
            "delivered" => ("已送达", "delivered"),
            "refused" => ("被拒收", "refused"),
            "failed" => ("失败", "failed"),
            "unknown" => ("结果未知", "unknown"),
            "cancelled" => ("已取消", "cancelled"),
            "expired" => ("已过期", "expired"),
            other => return other,
        };
        self.0.pick(zh, en)
    }

    /// Why a message is where it is, in few words.
    pub(crate) fn reason_name(self, reason: &str) -> &str {
        let (zh, en) = match reason {
            "no_permit" => ("没有额度", "no permit"),
            "wechat_refused" => ("微信拒绝", "refused by WeChat"),
            "wechat_unavailable" => ("微信不可用", "WeChat unavailable"),
            "no_answer" => ("没有回答", "no answer"),
            "app_paused" => ("小程序已暂停", "app paused"),
            "user_busy" => ("用户繁忙", "user busy"),
            "deadline_passed" => ("超过截止时间", "deadline passed"),
            "cancelled" => ("已取消", "cancelled"),
            "replaced" => ("被新消息取代", "replaced"),
            "given_up" => ("不再发送", "given up"),
            "restored" => ("从备份恢复", "restored from a backup"),
            "not_delivered" => ("没有送达", "not delivered"),
            other => return other,
        };
        self.0.pick(zh, en)
    }

    /// Why an app is paused, in few words.
    pub(crate) fn pause_name(self, code: &str) -> &str {
        let (zh, en) = match code {
            "day_quota" => ("当日额度用尽", "the day's quota is used up"),
            "minute_quota" => ("每分钟额度用尽", "the minute's quota is used up"),
            "token_rejected" => ("接口调用凭证被拒绝", "the access token is refused"),
            "misconfigured" => ("配置有误或被微信封禁", "it is set up wrong, or blocked"),
            "operator" => ("人工暂停", "paused by a person"),
            "wechat_unavailable" => ("微信没有回答", "WeChat does not answer"),
            other => return other,
        };
        self.0.pick(zh, en)
    }

    /// The kind of a permit.
    pub(crate) fn kind_name(self, kind: &str) -> &str {
        let (zh, en) = match kind {
            "form" => ("表单 form_id", "form"),
            "payment" => ("支付 prepay_id", "payment"),
            "subscribe_once" => ("一次性订阅", "one-time subscription"),
            "subscribe_long_term" => ("长期订阅", "long-term subscription"),
            "subscribe_device" => ("设备订阅", "device subscription"),
            "service_card" => ("服务卡片", "service card"),
            other => return other,
        };
        self.0.pick(zh, en)
    }

    /// What a person may do.
    pub(crate) fn role_name(self, role: &str) -> &str {
        let (zh, en) = match role {
            "viewer" => ("查看者", "viewer"),
            "operator" => ("操作员", "operator"),
            "admin" => ("管理员", "admin"),
            other => return other,
        };
        self.0.pick(zh, en)
    }
}
