//! The words of the pages about messages.

use hongyan_ui::texts;

texts! {
    pub(super) struct Words;
    title = "消息", "Messages";
    search_for = "消息编号、业务编号、openid 或模板", "Message id, reference, openid or template";
    when = "受理时间", "Accepted";
    to = "用户", "User";
    about = "模板", "Template";
    nothing = "没有符合条件的消息。", "No message is like that.";
    no_message_yet = "还没有消息。后端发来的消息会出现在这里。", "No messages yet. A message that a back end sends appears here.";
    nothing_of(what: &str) = "没有找到与“{what}”有关的消息：它不是消息编号、业务编号、openid 或模板，或者消息已超过保留期限被清除。", "No message was found for “{what}”: it is no message id, reference, openid or template that is known here, or the messages are older than what is kept.";
    looked_far = "这一段里没有符合条件的消息，继续往前找：", "No message of this stretch is like that. Look further back:";
    older = "更早的消息", "Older messages";
    reasons = "全部原因", "All reasons";

    message = "消息", "Message";
    what_happened = "经过", "What happened";
    card = "用户看到的卡片", "The card as the user sees it";
    card_would_be = "用户将看到的卡片", "The card as the user would see it";
    data = "字段", "Data";
    facts = "资料", "Facts";
    accepted = "已受理", "Accepted";
    sent_by_key(name: &str) = "来自 API 密钥 {name}", "By the API key {name}";
    sent_by_person(name: &str) = "由 {name} 在控制台发送", "By {name}, at the console";
    scheduled_for = "定时发送", "To be sent at";
    deadline = "截止时间", "Deadline";
    next_look = "下次处理", "Looked at again";
    policy = "没有额度时", "Without a permit";
    on_unknown = "结果未知时", "When the outcome is unknown";
    permit = "下发额度", "Permit";
    granted_at = "授予于", "granted at";
    expires_at = "到期于", "expires at";
    chosen_unlimited = "选中它是因为不限次数的额度最先使用。", "It was chosen because unlimited permits are used first.";
    chosen_first_to_expire = "选中它是因为适用的额度中最先到期的先用。", "It was chosen because, of the permits that fit, the one that expires first is used.";
    chosen_oldest = "选中它是因为适用的额度都不会到期，最早授予的先用。", "It was chosen because none of the permits that fit expires, and the oldest is used.";
    channel = "通道", "Channel";
    collapse_key = "合并键", "Collapse key";
    replaced_by = "被这条消息取代", "Replaced by";
    attempt(number: u32) = "第 {number} 次请求微信", "Request {number} to WeChat";
    answered(errcode: i64) = "微信返回 {errcode}", "WeChat answered {errcode}";
    answer_at = "结束于", "Ended";
    no_answer = "没有收到微信的回答", "No answer came from WeChat";
    not_sent = "请求没有发出", "The request was not written";
    under_way = "正在等待回答", "The answer is awaited";
    found_out = "人工确认", "Found out by a person";
    found_out_by_event = "由微信推送确认", "Found out by an event of WeChat's";
    found_out_by_silence = "一直没有微信推送，视为没有发出", "No event came, so the message was not sent";
    event(name: &str) = "微信推送 {name}", "WeChat's event {name}";
    all_events = "该用户的推送", "The user's events";
    webhook_has_it = "webhook 已收到", "A webhook was told";
    webhook_pending = "等待投递到 webhook", "A webhook is to be told";
    webhook_given_up = "webhook 没有收到，已放弃", "A webhook was not told: given up";
    webhook_silent = "没有回答", "no answer";
    webhook = "查看 webhook", "The webhook";
    tries(number: u32) = "投递 {number} 次", "tries: {number}";
    next_try = "下次投递", "Next try";
    no_line = "读取经过用时太长，请稍后重新加载。", "Reading what happened took too long. Load this page again in a while.";
    replaced = "取代了", "Replaced";
    again_of = "再次发送自", "Sent again from";

    export = "导出", "Export";
    export_csv = "CSV(Excel)", "CSV (Excel)";
    export_ndjson = "NDJSON", "NDJSON";
    export_rows = "已导出 # 条", "# messages so far";
    export_done = "已导出 # 条，下载完成。", "# messages: the file is complete.";
    export_failed = "导出中断，文件不完整。请重试。", "The export broke off. Try again.";
    export_stop = "停止", "Stop";
    cut(rows: u64, cursor: &str) = "文件在 {rows} 条后截断，可能还有更多：加上 cursor={cursor} 继续导出", "cut after {rows} messages; there may be more: export again with cursor={cursor}";
    now(state: &str) = "现在：{state}", "Now: {state}";

    cancel = "取消发送", "Cancel the message";
    cancel_sure = "确定取消这条消息吗？取消后不能恢复。", "Cancel this message? That cannot be undone.";
    cancelled = "消息已取消。", "The message is cancelled.";
    send_again = "再发一条", "Send again";
    send_again_sure = "将用同样的内容发出一条新消息。确定吗？", "A new message with the same content will be sent. Go on?";
    sent_again = "这是新的消息，内容与原来的相同。", "This is the new message. Its content is that of the other one.";
    resolve = "确定结果", "Settle the outcome";
    resolve_lead = "请求已经发出，但没有收到微信的回答。请先向用户或在微信后台核实，再选择：", "The request was written and no answer came. Find out from the user or at WeChat, then choose:";
    was_sent = "用户已收到", "The user has it";
    was_not_sent_send = "没有收到：重新发送", "The user does not have it: send it";
    was_not_sent_fail = "没有收到：不再发送", "The user does not have it: give it up";
    resolved = "结果已确定。", "The outcome is settled.";
    grant = "授予额度", "Grant a permit";
    to_user = "查看该用户的额度", "The user's permits";
}
