//! The words of the gateway's own pages.

hongyan_ui::texts! {
    /// The words of all pages.
    pub(super) struct Words;
    hongyan = "鸿雁", "Hongyan";
    front = "首页", "Home";
    errcodes = "错误码", "Errcodes";
    problems = "错误类型", "Problems";
    console = "控制台", "Console";
    docs = "文档", "Docs";

    gateway = "网关", "Gateway";
    running = "网关正在运行", "This gateway is running";
    lead = "向微信小程序的用户下发通知：保管接口调用凭证，积累下发额度，每条消息只发一次，每次失败都说明原因。", "It sends notifications to the users of WeChat mini programs: it keeps the access token, collects the rights to send, sends each message once, and explains every failure.";
    door_console = "查看消息和用户，处理问题", "Look at messages and users, and settle what is in doubt";
    door_docs = "安装、接口、运维，可搜索", "How to install, use and run it, with search";
    calls = "接口说明", "Calls";
    door_calls = "全部接口的参数、字段与 curl 示例", "All calls with their parameters, fields and examples";
    door_errcodes = "微信错误码详解", "WeChat's errcodes, explained";
    door_problems = "网关的拒绝原因", "Why the gateway refuses";
    first_message = "发第一条消息", "Send a first message";
    first_message_text = "换成自己的密钥、appid、openid 与模板；`GATEWAY` 是本页的地址，`wait` 表示等待结果。", "Put in your own key, appid, openid and template; `GATEWAY` is the address of this page. `wait` asks for the outcome.";
    call = "接口", "Call";
    meaning = "含义", "Meaning";

    search = "数字、名称或关键字", "A number, a name or words";
    find = "查找", "Find";
    show_all = "显示全部", "Show all";
    found(count: usize) = "找到 {count} 条。", "{count} found.";
    nothing_found = "没有找到。未列出的错误码一律按消息被拒处理。", "Nothing found. The gateway treats an errcode that is not listed as a refusal of the message.";
    no_such_problem = "没有找到。", "Nothing found.";
    index = "目录", "Index";
    link_to(name: &str) = "{name} 的链接", "Link to {name}";

    missing = "没有这个页面", "There is no such page";
    missing_text(path: &str) = "`{path}` 处没有内容。请核对地址。", "There is nothing at `{path}`. Check the address.";
    unknown_errcode = "没有这个错误码的说明", "This errcode is not explained here";
}
