//! The words of the sandbox's pages.

hongyan_ui::texts! {
    /// The words of all pages of the sandbox.
    pub(super) struct Words;
    sandbox = "鸿雁沙箱", "Hongyan sandbox";
    front = "首页", "Home";
    inbox = "收件箱", "Inbox";
    phone = "手机", "Phone";
    phones = "多部手机", "Phones";

    search = "搜索", "Search";
    search_for = "任意字段、openid、标题、模板", "any field, openid, title, template";
    app = "小程序", "App";
    all_apps = "全部小程序", "all apps";
    user = "用户", "User";
    all_users = "全部用户", "all users";
    kind = "类型", "Kind";
    all_kinds = "全部类型", "all kinds";
    legacy = "模板消息", "template message";
    subscribe = "订阅消息", "subscribe message";
    clear = "清除条件", "Clear";
    delete = "删除", "Delete";
    delete_this(title: &str) = "删除“{title}”", "Delete “{title}”";
    delete_all = "全部删除", "Delete all";
    delete_found = "删除筛选结果", "Delete what was found";
    confirm_all = "删除收件箱里的全部消息？", "Delete every card in the inbox?";
    confirm_found = "删除筛选出的全部消息，包括其他页上的？", "Delete every card that was found, also on other pages?";
    kept(count: usize) = "共 {count} 条", "{count} in all";
    column_message = "消息", "Message";
    column_to = "收到者", "Received by";
    column_when = "时间", "Time";
    column_more = "操作", "Actions";
    complaints_count(count: usize) = "{count} 处不符", "{count} complaints";
    complaint_one = "1 处不符", "1 complaint";
    newest = "最新", "Newest";
    older = "更早", "Older";
    empty_title = "还没有消息", "No messages yet";
    empty_text = "消息一到就会出现在这里。打开手机提交一次表单，或在终端里运行：", "A message appears here as soon as it is sent. Submit the form on the phone, or run this in a terminal:";
    nothing_found = "没有符合条件的消息。", "No card matches.";
    sought(what: &str) = "搜索的是“{what}”。", "The search was for “{what}”.";
    open_phone = "打开手机", "Open the phone";

    not_there = "这条消息不在收件箱里", "This card is not in the inbox";
    not_there_text = "它已被删除，或已超出保留的条数，或沙箱已经重置。", "The card was deleted, or forgotten because of newer cards, or the sandbox was reset.";
    back = "回到收件箱", "Back to the inbox";
    what_the_user_saw = "用户看到的", "What the user saw";
    about = "关于这条消息", "About this message";
    template = "模板", "Template";
    page = "跳转页面", "Page";
    msgid = "消息号 msgid", "msgid";
    request = "后端发来的请求", "The request of the back end";
    no_request = "沙箱不再保留这条请求：重启后，或有更多新请求之后，只留下消息本身。", "The sandbox no longer has the request: after a restart, or after many newer requests, only the card remains.";
    no_body = "请求体超过 8 KiB，没有保留。", "The body is larger than 8 KiB and was not kept.";
    complaints = "与真实微信不符之处", "What the real WeChat would refuse or ignore";
    no_complaints = "没有。真实微信会照样接受这条请求。", "Nothing. The real WeChat would take this request as it is.";
    phone_of_user = "这个用户的手机", "The phone of this user";

    phones_text = "每部手机属于一个用户。在一部手机上的操作不影响其他手机。", "Each phone belongs to one user. What happens on one phone leaves the others as they are.";
    add = "加一部", "Add";
    add_user_of = "新建用户", "New user";
    remove = "移走", "Remove";
    alone = "单独打开", "Open alone";
    phone_of(openid: &str) = "{openid} 的手机", "The phone of {openid}";

    lead = "这里模拟微信平台：凭证、登录、表单、支付、订阅和消息下发都按微信的规则计数与过期，数据不离开本机。把你的程序里的 https://api.weixin.qq.com 换成本页的地址即可。", "The sandbox simulates the WeChat platform: tokens, logins, forms, payments, subscriptions and messages are counted and expire by WeChat's rules, and no data leaves this machine. Replace https://api.weixin.qq.com in your program with the address of this page.";
    door_inbox = "所有用户收到的消息，实时更新，可搜索", "Every card of every user, live, with search";
    door_phone = "一个用户的手机，可提交表单和订阅", "The phone of one user, with a form and a subscription";
    door_phones = "几个用户的手机并排", "The phones of several users, side by side";
    docs = "文档", "Docs";
    door_docs = "怎样用沙箱测试，可搜索", "How to test with the sandbox, with search";
    door_calls = "参数、字段与 curl 示例", "Parameters, fields and examples";
    first_message = "发第一条消息", "Send a first message";
    initial = "开箱即有", "Initial app, user and templates";
    name = "名称", "Name";
    value = "值", "Value";
    legacy_template = "模板消息", "template message";
    once_template = "一次性订阅", "one-time subscription";
    long_term_template = "长期订阅", "long-term subscription";
    magic = "魔法 id", "Magic ids";
    magic_text = "在 id 的位置填 sandbox-<关键字>[-任意后缀]，结果总是相同。", "Use sandbox-WORD or sandbox-WORD-anything in place of an id: the result is always the same.";
    place = "位置", "Place";
    result = "结果", "Result";
    own_calls = "沙箱自己的接口", "The sandbox's own calls";
    call = "接口", "Call";
    meaning = "含义", "Meaning";
    complaint_codes = "与真实微信不符、上线可能被拒的地方", "Complaints: what WeChat would refuse or ignore";
    limits = "保留多少", "Limits on what is kept";
    limits_text = "用 hongyan sandbox --keep 名称=数量 修改。", "Change a limit with hongyan sandbox --keep NAME=NUMBER.";
    default = "默认", "Default";
    wechat_calls = "微信的接口", "WeChat's calls";
}
