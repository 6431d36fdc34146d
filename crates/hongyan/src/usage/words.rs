//! The Chinese of every text of the help, by its English. A test names the texts that lack their Chinese.

/// The Chinese of a text of the help.
pub(super) fn chinese(english: &str) -> Option<&'static str> {
    find(HELP, english)
}

/// The Chinese of why a value is refused.
pub(super) fn chinese_of_error(english: &str) -> Option<&'static str> {
    find(ERRORS, english)
}

fn find(table: &[(&str, &'static str)], english: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == english).map(|(_, chinese)| *chinese)
}

/// The texts of the help, in the order of the commands.
pub(super) const HELP: &[(&str, &str)] = &[
    // Every command.
    ("Examples:", "示例："),
    ("Print JSON", "输出 JSON"),
    ("Print the answer as JSON", "以 JSON 输出应答"),
    ("Print help", "显示帮助"),
    ("Print help (see more with '--help')", "显示帮助（--help 更详细）"),
    ("Print help (see a summary with '-h')", "显示帮助（-h 为摘要）"),
    ("Print version", "显示版本"),
    ("Print this message or the help of the given subcommand(s)", "显示本说明，或某个命令的说明"),
    (
        "The language of the help, of the output and of errors [env: HONGYAN_LANG, else LC_ALL, LC_MESSAGES, LANG] \
         [default: en]",
        "帮助、输出和错误所用的语言 [环境变量：HONGYAN_LANG，其次 LC_ALL、LC_MESSAGES、LANG] [默认值：en]",
    ),
    ("Let the clock run fast, for tests in which days pass", "让时钟走得快，供跨越多天的测试使用"),
    // The program.
    ("A gateway for WeChat mini-program notifications", "微信小程序消息网关"),
    ("A gateway for WeChat mini-program notifications.", "微信小程序消息网关。"),
    (
        "Hongyan keeps the access token, turns login codes into openids, collects the rights to notify users, sends each \
         message once, and explains every failure.",
        "鸿雁保管 access_token，把登录 code 换成 openid，收集下发额度，每条消息只发一次，没发到时说清原因。",
    ),
    ("everything on this machine, without a WeChat account", "在本机启动全部部件，不需要小程序账号"),
    ("the gateway", "网关"),
    ("a key for a back end", "给后端用的 API key"),
    ("a person for the console", "可以登录控制台的人员"),
    (
        "registers a mini program; reads its AppSecret from standard input",
        "登记小程序；从标准输入读取它的 AppSecret",
    ),
    ("is everything set up well?", "检查是否一切就绪"),
    ("a copy of the database, while the gateway runs", "备份数据库，网关照常运行"),
    (
        "Exit codes: 0 done, 1 failed while running, 2 wrong usage, 78 wrong configuration.",
        "退出码：0 完成，1 运行中出错，2 用法不对，78 配置不对。",
    ),
    (
        "Run everything on this machine: simulated WeChat with a phone, gateway, tutorial back end",
        "在本机运行全部部件：模拟的微信和手机、网关、教程的后端",
    ),
    ("Run the gateway", "运行网关"),
    ("Run the simulated WeChat platform alone", "单独运行沙箱（模拟的微信平台）"),
    (
        "Make, list and revoke API keys, in the configured database",
        "在配置的数据库里创建、列出、吊销 API key",
    ),
    (
        "Add, list, change and remove the people who may use the console",
        "添加、列出、修改、删除可以使用控制台的人员",
    ),
    (
        "Register, change and list mini programs and their templates, at a running gateway",
        "在运行中的网关上登记、修改、列出小程序和它们的模板",
    ),
    ("Send one message through a running gateway", "通过运行中的网关发送一条消息"),
    ("Show, list and cancel messages", "查看、列出、取消消息"),
    ("Report and list permits: the rights to notify users", "上报、列出下发额度，即通知用户的权利"),
    ("Count the users that can be reached now", "统计现在可触达的用户"),
    (
        "Set up, list, test, replay and remove webhooks, and receive their events on this machine",
        "设置、列出、测试、重发、删除 webhook，并在本机接收事件",
    ),
    ("List the events that WeChat pushed", "列出微信推送的事件"),
    (
        "Show figures over time: how many messages were accepted, sent, failed",
        "按时间统计：接收、发出、失败了多少消息",
    ),
    ("List the running gateways that share the database", "列出共用数据库的、运行中的网关"),
    ("Show how much of WeChat's daily quotas is used", "查看微信每日额度的用量"),
    ("List who changed what", "列出谁改了什么"),
    (
        "Find out what needs attention, here and at the running gateway, and what to do",
        "找出本机和运行中的网关有什么需要处理、怎样处理",
    ),
    (
        "Settle a message in the state unknown: tell the gateway whether the user received the message",
        "处置结果未知（unknown）的消息：告诉网关用户是否收到",
    ),
    (
        "Send many messages, or report many permits, from a file of JSON lines",
        "从每行一个 JSON 的文件批量发送消息，或批量上报额度",
    ),
    (
        "Check the configuration, the database, and whether WeChat accepts every app's AppSecret",
        "检查配置、数据库，以及微信是否接受每个小程序的 AppSecret",
    ),
    ("Copy the configured database, even while the gateway runs", "备份配置的数据库，网关运行时也可以"),
    ("Replace the configured database with a backup", "用备份替换配置的数据库"),
    ("Print a completion script for a shell", "输出 shell 的补全脚本"),
    ("Which shell", "哪种 shell"),
    ("Write manual pages into a directory", "把手册页写到一个目录"),
    ("The directory", "目录"),
    // demo, serve, sandbox.
    ("keeps its messages, and shows the same keys next time", "保留消息，下次启动打印同样的 key"),
    (
        "The address on which the gateway listens; port 0 picks a free port",
        "网关监听的地址；端口为 0 时自动选一个空闲端口",
    ),
    (
        "The address on which the simulated WeChat listens; port 0 picks a free port",
        "沙箱监听的地址；端口为 0 时自动选一个空闲端口",
    ),
    (
        "A host name that the simulated WeChat accepts, besides IP addresses and localhost",
        "除 IP 地址和 localhost 外，访问沙箱时可以使用的主机名",
    ),
    (
        "Keep all data in this directory. Default: a temporary directory that is removed at the end",
        "把全部数据保存在这个目录里。默认：临时目录，结束时删除",
    ),
    (
        "Let WeChat push events to the gateway: a user's answer to the subscription box becomes a permit by itself, and \
         messages become delivered or refused",
        "让沙箱向网关推送事件：用户在订阅弹窗里的选择会自动成为下发额度，消息会变为 delivered 或 refused",
    ),
    ("Print one line of JSON on standard output when ready", "就绪时在标准输出打印一行 JSON"),
    (
        "Stop when standard input ends. A program that starts this command with a pipe as standard input takes this process \
         along, even when the program is killed",
        "标准输入结束时停止。以管道作为标准输入启动本命令的程序即使被强行终止，本进程也会随之结束",
    ),
    (
        "The configuration file [env: HONGYAN_CONFIG] [default: hongyan.toml in the current directory, if that file exists]",
        "配置文件 [环境变量：HONGYAN_CONFIG] [默认值：当前目录下的 hongyan.toml，如果有这个文件]",
    ),
    ("The directory of the database and of a generated master key", "存放数据库和自动生成的主密钥的目录"),
    ("The database, as sqlite:PATH", "数据库，写成 sqlite:PATH"),
    ("The address of WeChat's API; a sandbox for tests", "微信接口的地址；测试时填沙箱的地址"),
    (
        "Every setting of hongyan.toml can be an environment variable: HONGYAN_ and its name in capitals.",
        "hongyan.toml 里的每个配置项都可以用环境变量设置：HONGYAN_ 加大写的配置名。",
    ),
    ("remembers users, templates and messages between runs", "下次启动时仍有原来的用户、模板和消息"),
    ("for a test that starts its own", "供自行启动沙箱的测试使用"),
    (
        "What the sandbox can do, and the ids that always fail in the same way: http://127.0.0.1:8790/help",
        "沙箱能做什么、哪些 id 总是以同样的方式失败：http://127.0.0.1:8790/help",
    ),
    (
        "The address on which the sandbox listens; port 0 picks a free port",
        "沙箱监听的地址；端口为 0 时自动选一个空闲端口",
    ),
    (
        "Load the state from this file at the start, if the file exists, and save the state to it at the end",
        "启动时从这个文件读取状态（如果有），结束时把状态存进去",
    ),
    (
        "A host name that the sandbox accepts, besides IP addresses and localhost; repeat --host for several names",
        "除 IP 地址和 localhost 外，访问沙箱时可以使用的主机名；多个名称请重复 --host",
    ),
    (
        "A limit on how much the sandbox keeps of one thing, such as cards=10000; docs/sandbox.md lists the limits",
        "沙箱最多保留多少，例如 cards=10000；全部限制见 docs/sandbox.zh-CN.md",
    ),
    ("Also listen for HTTPS at this address", "同时在这个地址提供 HTTPS"),
    (
        "The certificate for HTTPS as PEM, followed by its chain. Default: a certificate made at the start",
        "HTTPS 的证书及其证书链，PEM 格式。默认：启动时生成的证书",
    ),
    ("The private key of the certificate, as PEM", "证书的私钥，PEM 格式"),
    (
        "Write the CA of the certificate made at the start to this file, as PEM, for clients to trust",
        "把启动时生成的证书的 CA 写到这个文件（PEM 格式），供客户端信任",
    ),
    // key.
    (
        "Make a key, and print only the key on standard output; the key is never shown again",
        "创建一个 key，标准输出只有这个 key；以后不再显示",
    ),
    (
        "The name of the key, such as the program that uses it; `key list` shows the name",
        "key 的名字，例如使用它的程序；`key list` 会列出",
    ),
    (
        "What the key may do: messages, permits, apps, webhooks, audit, or all of these; and, not part of all: facade, \
         access_token, keys, people",
        "key 的权限：messages、permits、apps、webhooks、audit，或 all（包括前面各项）；不含在 all 里的有 facade、access_token、\
         keys、people",
    ),
    ("The apps that the key may use. Default: all apps", "key 可以用于哪些小程序。默认：全部"),
    (
        "How long the key works, as 90d or 12h. Default: without end",
        "key 的有效期，例如 90d 或 12h。默认：长期有效",
    ),
    (
        "List keys; the secret part of a key is not stored and not shown",
        "列出 key；key 本身没有保存，也不显示",
    ),
    ("Make a key stop working", "吊销一个 key"),
    ("The key's id, key_…, as `key list` shows it", "key 的 id（key_…），见 `key list`"),
    ("Encrypt the stored secrets again, with the new master key", "用新的主密钥把库里的密文重新加密"),
    (
        "The gateway may run meanwhile, if it has both keys: master_key and master_key_previous (or master.key and \
         master.key.previous in the data directory). Do this in order:",
        "网关同时有两个密钥时，可以照常运行：master_key 和 master_key_previous（或数据目录里的 master.key 和 \
         master.key.previous）。步骤如下：",
    ),
    ("set the new key and the previous one, and restart the gateway", "配置新密钥和上一个密钥，重启网关"),
    ("remove the previous key, and restart the gateway", "去掉上一个密钥，重启网关"),
    ("After an interruption run step 2 again: it continues.", "中途被打断时再执行一次第 2 步，会接着做完。"),
    ("# without a gateway: makes a new master.key first", "# 网关没有运行时：先生成新的 master.key"),
    (
        "Make a new key in master.key in the data directory, and keep the old key as master.key.previous",
        "在数据目录里生成新的 master.key，把旧的保留为 master.key.previous",
    ),
    // user.
    (
        "Add a person; a password for the first login is printed alone on standard output, and never again",
        "添加人员；标准输出只有首次登录用的口令，以后不再显示",
    ),
    (
        "The name that the person logs in with: letters, digits, and . _ @ + -",
        "登录用的用户名：字母、数字，以及 . _ @ + -",
    ),
    ("What the person may do", "这个人的角色"),
    (
        "Look at messages, users, permits, apps, events and webhooks",
        "查看消息、用户、额度、小程序、微信推送和 webhook",
    ),
    (
        "Also send, cancel and resolve messages, grant permits, pause and resume apps, read the audit trail",
        "另外可以发送、取消、处置消息，授予额度，暂停和恢复小程序，查看审计记录",
    ),
    ("Everything", "全部权限"),
    ("The apps that the person may see; all, if this is left out", "这个人可以看到的小程序；不填则为全部"),
    ("List people; passwords are not stored", "列出人员；口令没有保存"),
    (
        "Change what a person may do and see; it holds from the person's next click",
        "修改人员的角色和可以看到的小程序；从下一次点击起生效",
    ),
    ("The person's name", "用户名"),
    ("The apps that the person may see", "这个人可以看到的小程序"),
    ("The person may see all apps", "这个人可以看到全部小程序"),
    (
        "Give a person another password, which is printed alone on standard output; the person's sessions end",
        "重置口令，标准输出只有新口令；这个人的会话随即结束",
    ),
    ("Remove a person; the person's sessions end", "删除人员；这个人的会话随即结束"),
    // Commands that call a gateway.
    (
        "The gateway's URL; the API key is read from HONGYAN_API_KEY [env: HONGYAN_URL] [default: http://127.0.0.1:8780]",
        "网关的 URL；API key 从 HONGYAN_API_KEY 读取 [环境变量：HONGYAN_URL] [默认值：http://127.0.0.1:8780]",
    ),
    (
        "A PEM file of CA certificates: trust these instead of the public CAs [env: HONGYAN_CA_FILE, SSL_CERT_FILE]",
        "PEM 格式的 CA 证书文件：只信任其中的 CA，不用公共 CA [环境变量：HONGYAN_CA_FILE、SSL_CERT_FILE]",
    ),
    (
        "Allow http to another machine; others on the network can read the API key [env: HONGYAN_INSECURE_HTTP=true]",
        "允许用 http 连接其他机器；网络上的其他人能读到 API key [环境变量：HONGYAN_INSECURE_HTTP=true]",
    ),
    ("How to print the list; json is the same as --json", "列表的格式；json 与 --json 相同"),
    ("Aligned columns, for people", "对齐的各列，供人阅读"),
    ("One document as the API answers it, for programs", "一个 JSON 文档，与接口的应答相同，供程序使用"),
    ("Comma-separated values with all columns, for spreadsheets", "逗号分隔，包含全部列，供电子表格使用"),
    ("How many entries to list", "最多列出多少条"),
    ("List all entries, page after page", "逐页列出全部"),
    ("Continue an earlier list: the cursor that it ended with", "接着上一次列出：上一次末尾的游标"),
    ("Do not ask", "不询问"),
    // app.
    ("Register a mini program", "登记小程序"),
    (
        "The AppSecret is read from a file, from standard input (-) or from HONGYAN_APP_SECRET, never from the command line: \
         other users of the machine can read the command line.",
        "AppSecret 从文件、标准输入（-）或 HONGYAN_APP_SECRET 读取，不能写在命令行上：本机的其他用户能看到命令行。",
    ),
    ("List registered mini programs", "列出已登记的小程序"),
    ("Show the settings of a mini program", "查看小程序的设置"),
    ("Change a mini program: its AppSecret, its name, how it sends", "修改小程序：AppSecret、名称、发送方式"),
    (
        "Settings without a flag stay. A new AppSecret is read as by `app add`: from a file, from standard input (-) or, with \
         --secret-env, from HONGYAN_APP_SECRET; never from the command line.",
        "没有写出的设置保持不变。新的 AppSecret 与 `app add` 一样读取：从文件、标准输入（-），或加 --secret-env 从 \
         HONGYAN_APP_SECRET；不能写在命令行上。",
    ),
    (
        "Remove a mini program: its unsent messages are cancelled, its permits and tokens are deleted",
        "删除小程序：取消它未发送的消息，删除它的额度和 token",
    ),
    ("Pause a mini program: its messages are kept, and nothing is sent", "暂停小程序：保留消息，一条也不发"),
    ("The reason, for people who ask later", "原因，供以后的人查看"),
    (
        "End the pause at this time (RFC 3339). Default: at `app resume`",
        "到这个时间自动恢复（RFC 3339）。默认：等到 `app resume`",
    ),
    ("End the pause of a mini program: the kept messages are sent", "恢复小程序：发送保留的消息"),
    (
        "Make a new gateway secret for a mini program, and print only the secret on standard output; the old secret stops \
         working at once",
        "更换小程序的 gateway secret，标准输出只有新的 secret；旧的立即作废",
    ),
    ("List the templates of a mini program, with their fields", "列出小程序的模板及其字段"),
    ("asks WeChat first, and prints the changes", "先向微信查询，并打印变化"),
    ("prints a sample message to edit and to send", "打印一条示例消息，改好即可发送"),
    (
        "Set up the callback (WeChat's message push) of a mini program, or show its state",
        "设置小程序的消息推送（回调），或查看它的状态",
    ),
    (
        "--set makes a token and an EncodingAESKey, and prints what to enter on WeChat's page for message push.",
        "--set 生成 Token 和 EncodingAESKey，并打印要填到微信“消息推送”页面上的内容。",
    ),
    ("is the callback set up, and when did WeChat last push?", "是否设置好了，微信上次推送是什么时候"),
    ("accepts no pushes any more", "不再接受推送"),
    ("The mini program's appid", "小程序的 appid"),
    ("A file with the new AppSecret; - reads standard input", "存放新 AppSecret 的文件；- 为标准输入"),
    ("Take the new AppSecret from HONGYAN_APP_SECRET", "从 HONGYAN_APP_SECRET 读取新的 AppSecret"),
    ("A display name", "显示用的名称"),
    ("Which of WeChat's two calls fetches access tokens", "用微信的哪个接口获取 access_token"),
    ("What to do with a message if WeChat's answer was lost", "微信的应答丢失时，怎样处理消息"),
    ("How many messages one payment allows", "一次支付可发几条消息"),
    (
        "If several messages to one user wait for a permit: which of them gets the permit first",
        "同一用户有多条消息等待额度时，先发哪一条",
    ),
    (
        "Whether to cut a text that is too long for its field, instead of refusing the message",
        "文字超出字段长度时，是否截短而不是拒绝消息",
    ),
    ("Ask WeChat for its templates first", "先向微信查询模板"),
    (
        "Print a sample message for this template as JSON; only the user is missing",
        "以 JSON 打印这个模板的示例消息，只差填上用户",
    ),
    (
        "Make a new token and a new key, store them, and print them once",
        "生成新的 Token 和密钥，保存，并只打印这一次",
    ),
    (
        "With --set: plain mode, without an EncodingAESKey. WeChat's signature does not cover the content then",
        "与 --set 一起：明文模式，没有 EncodingAESKey。这时微信的签名不覆盖内容",
    ),
    (
        "With --set: replace a token and a key that exist already; WeChat's pushes are refused until WeChat has the new token \
         and key",
        "与 --set 一起：替换已有的 Token 和密钥；在微信填好新值之前，微信的推送会被拒绝",
    ),
    ("Delete the token and the key", "删除 Token 和密钥"),
    ("A file with the AppSecret; - reads standard input", "存放 AppSecret 的文件；- 为标准输入"),
    (
        "Cut a text that is too long for its field, instead of refusing the message",
        "文字超出字段长度时截短，而不是拒绝消息",
    ),
    (
        "stable_token: a fetch by another program does not invalidate this gateway's token",
        "stable_token：其他程序获取时，不会使网关的 token 失效",
    ),
    (
        "The older call `token`: each fetch invalidates the token before",
        "较早的接口 `token`：每次获取都会使前一个 token 失效",
    ),
    (
        "Keep the message until an event from WeChat or an operator settles it",
        "搁置消息，直到微信的事件或运维人员给出结论",
    ),
    ("Send the message again, at the risk that the user gets it twice", "再发一次，用户可能收到两条"),
    ("The message that was due first", "应发时间最早的"),
    ("The message that was due last", "应发时间最晚的"),
    // send.
    ("The user's openid", "用户的 openid"),
    ("The template's id", "模板的 id"),
    ("One field of the template; name every field of the template", "模板的一个字段；每个字段都要给出"),
    ("The page that opens when the user taps the message", "用户点开消息时打开的页面"),
    ("Send the message at this time (RFC 3339). Default: now", "在这个时间发送（RFC 3339）。默认：立即"),
    ("Do not send the message after this time (RFC 3339)", "过了这个时间就不再发送（RFC 3339）"),
    ("What to do if the user has no permit", "用户没有下发额度时怎么办"),
    ("Fail at once if the user has no permit", "没有额度就立即失败"),
    ("Keep the message until the user has a permit", "保留消息，等用户有额度时再发"),
    ("Send the message even if the gateway knows of no permit", "网关没有额度记录也照发"),
    (
        "Wait at most this many seconds for the outcome; exit code 1 if the message is not sent by then",
        "最多等待多少秒，等到结果再返回；到时还没发出则退出码为 1",
    ),
    ("Only check the message: nothing is sent, nothing is stored", "只检查消息：不发送，也不保存"),
    (
        "An id of your own; `message list --reference` finds messages by it",
        "业务编号；可用 `message list --reference` 查找",
    ),
    (
        "Replace an older unsent message to this user that has the same collapse key",
        "取代发给该用户的、collapse_key 相同的未发送旧消息",
    ),
    (
        "A repeat with the same key and the same message does not send the message again",
        "幂等键：键和消息都相同的重复请求不会再发一次",
    ),
    // resolve, check, message, permit.
    (
        "List the messages in the state unknown: hongyan message list --state unknown",
        "列出结果未知的消息：hongyan message list --state unknown",
    ),
    ("sends the message again, with the permit kept for it", "用为它保留的额度再发一次"),
    ("does not send it again, and frees its permit", "不再发送，释放它的额度"),
    ("The message's id, msg_…", "消息的 id（msg_…）"),
    ("The user received the message", "用户收到了消息"),
    (
        "The user did not receive the message: send it again, unless its deadline has passed",
        "用户没有收到：再发一次，除非已过截止时间",
    ),
    ("Do not send the message again", "不再发送"),
    (
        "The check changes nothing: it makes no file and replaces no app's access token.",
        "检查不改动任何东西：不创建文件，也不更换小程序的 access_token。",
    ),
    (
        "Also compare every index of the database with its table; takes several times as long",
        "另外逐一核对数据库的索引与表；用时是几倍",
    ),
    (
        "Ask whether the gateway runs; for containers and supervisors",
        "网关是否在运行；供容器和进程管理程序使用",
    ),
    (
        "Exit code 0: the gateway is well, and nothing is printed. Exit code 1: it is not, or does not answer.",
        "退出码 0：网关正常，没有输出。退出码 1：不正常，或没有应答。",
    ),
    (
        "The address is that of the settings: admin_listen, or listen if admin_listen is not set.",
        "地址取自配置：admin_listen；没有设置 admin_listen 时为 listen。",
    ),
    ("in a Containerfile; needs no shell", "写在 Containerfile 里；不需要 shell"),
    (
        "Ask whether the gateway can take requests (/readyz), not only whether its process runs (/livez)",
        "询问网关能否接受请求（/readyz），而不只是进程是否在运行（/livez）",
    ),
    ("The gateway's URL, instead of the address in the settings", "网关的 URL，代替配置里的地址"),
    (
        "A PEM file of CA certificates for an https URL: trust these instead of the public CAs",
        "用于 https 的 URL，PEM 格式的 CA 证书文件：只信任其中的 CA，不用公共 CA",
    ),
    ("How long to wait for the answer", "最多等待应答多久"),
    ("Report a permit: a right to notify a user", "上报一份下发额度，即通知一个用户的权利"),
    (
        "Kinds: form and payment (with --code), subscribe_once, subscribe_long_term and subscribe_device (with --template).",
        "种类：form、payment（用 --code），subscribe_once、subscribe_long_term、subscribe_device（用 --template）。",
    ),
    (
        "Show a user's permits and how many messages each still allows",
        "查看用户的下发额度，以及每份还能发几条",
    ),
    ("Where the right comes from", "额度的种类，即它的来源"),
    ("The form id or prepay id, for forms and payments", "form_id 或 prepay_id，用于表单和支付"),
    ("The template, for subscriptions", "模板，用于订阅"),
    (
        "How many messages the permit allows [default: one; payments: the app's payment_units]",
        "这份额度可发几条 [默认值：一条；支付为该小程序的 payment_units]",
    ),
    ("Show a message: its state, the reason, and each attempt", "查看一条消息：状态、原因、每次投递尝试"),
    ("List messages, newest first", "列出消息，新的在前"),
    ("Cancel a message, unless it is being sent already", "取消一条消息，除非已经在发送"),
    ("Only messages of this mini program", "只列出这个小程序的消息"),
    ("Only messages to this user", "只列出发给这个用户的消息"),
    (
        "Only messages in this state; several states are separated by commas",
        "只列出这个状态的消息；多个状态用逗号分隔",
    ),
    ("Only messages with this template", "只列出这个模板的消息"),
    ("Only messages for this reason, such as no_permit", "只列出这个原因的消息，例如 no_permit"),
    (
        "Only messages whose last attempt WeChat answered with this errcode",
        "只列出最近一次投递尝试时微信返回这个 errcode 的消息",
    ),
    (
        "Only messages accepted at this time or later: how long ago (24h, 7d), or RFC 3339",
        "只列出这个时间及以后接收的消息：多久以前（24h、7d），或 RFC 3339",
    ),
    ("Only messages accepted before this time", "只列出这个时间以前接收的消息"),
    ("Only messages with this reference", "只列出这个业务编号的消息"),
    // reach, event, stats, node, quota, audit, doctor.
    (
        "Without --app: the usable units of all apps, by kind. With --app: users and units by kind and template. With --template \
         or --kind: how many users these permits reach, each user counted once.",
        "不带 --app：全部小程序可用的份数，按种类。带 --app：用户数和份数，按种类和模板。带 --template 或 --kind：这些额度可触达多少用户，\
         每个用户只算一次。",
    ),
    ("Only permits that serve this template", "只统计可用于这个模板的额度"),
    ("Only permits of this kind", "只统计这个种类的额度"),
    (
        "List the events that WeChat pushed, newest first, and what each event did",
        "列出微信推送的事件和每个事件的作用，新的在前",
    ),
    ("Only events of this mini program", "只列出这个小程序的事件"),
    ("Only events about this user", "只列出关于这个用户的事件"),
    ("Only events with this name at WeChat", "只列出微信以此命名的事件"),
    (
        "Only events received at this time or later: how long ago (24h, 7d), or RFC 3339",
        "只列出这个时间及以后收到的事件：多久以前（24h、7d），或 RFC 3339",
    ),
    ("Only events received before this time", "只列出这个时间以前收到的事件"),
    ("the last 24 hours, hour by hour", "最近 24 小时，逐小时"),
    (
        "From this time on: how long ago (24h, 7d), or RFC 3339",
        "从这个时间起：多久以前（24h、7d），或 RFC 3339",
    ),
    ("Up to this time. Default: now", "到这个时间为止。默认：现在"),
    (
        "How long a step is. Default: a minute for up to 6 hours, an hour for up to 14 days, else a day",
        "每一步多长。默认：6 小时以内为一分钟，14 天以内为一小时，否则为一天",
    ),
    ("Kept for 48 hours", "保留 48 小时"),
    ("Kept for 90 days", "保留 90 天"),
    ("A day of China (UTC+8), kept for two years", "北京时间的一天（UTC+8），保留两年"),
    (
        "One row for each app or template, instead of one for each step",
        "每个小程序或模板一行，而不是每一步一行",
    ),
    (
        "List the running gateways that share the database, and their lanes",
        "列出共用数据库的、运行中的网关，以及它们的分道",
    ),
    (
        "The gateway asks WeChat in the background, at most every five minutes: right after a start it knows nothing.",
        "网关在后台向微信查询，最多每五分钟一次：刚启动时还不知道。",
    ),
    ("List who changed what, newest first", "列出谁改了什么，新的在前"),
    ("The key needs the scope audit.", "key 需要权限 audit。"),
    (
        "Only changes at this time or later: how long ago (24h, 7d), or RFC 3339",
        "只列出这个时间及以后的改动：多久以前（24h、7d），或 RFC 3339",
    ),
    ("Only changes before this time", "只列出这个时间以前的改动"),
    (
        "First everything that `hongyan check` looks at on this machine; then what the running gateway says: its version, paused \
         apps, late messages, messages of unknown outcome, permits that expire, webhooks that fail, WeChat's quotas, nodes. Each \
         line that is NOT OK says what to do. The key needs the scopes messages, permits, apps and webhooks; what a key may not \
         see is not looked at.",
        "先检查 `hongyan check` 在本机检查的各项；再检查运行中的网关：版本、暂停的小程序、迟发的消息、结果未知的消息、快到期的额度、出错的 \
         webhook、微信的额度、节点。“有问题”的每一行都说明怎样处理。key 需要权限 messages、permits、apps、webhooks；key 无权查看的不检查。",
    ),
    (
        "Exit codes: 0 all is well, 1 a person has something to do, 78 the gateway would not start.",
        "退出码：0 一切正常，1 有事情要处理，78 网关无法启动。",
    ),
    (
        "Only ask the running gateway, and do not look at the configuration and the database of this machine",
        "只询问运行中的网关，不检查本机的配置和数据库",
    ),
    // webhook.
    (
        "Set up a webhook, and print only its secret on standard output; the secret is never shown again",
        "设置 webhook，标准输出只有它的密钥；以后不再显示",
    ),
    ("List webhooks", "列出 webhook"),
    (
        "Show a webhook: its settings, its last answer, its backlog",
        "查看 webhook：设置、最近的应答、积压的事件",
    ),
    ("Change a webhook, disable it, or enable it", "修改、停用或启用 webhook"),
    ("sends the events that were kept for it", "发送为它保留的事件"),
    ("Send a test event to a webhook", "向 webhook 发送一个测试事件"),
    (
        "Exit code 1 with --wait: the webhook did not take the event in time.",
        "带 --wait 时退出码为 1：webhook 没有及时接收事件。",
    ),
    ("Send events again, as if they had never been sent", "重发事件，如同从未发送过"),
    ("List the deliveries of a webhook, newest first", "列出 webhook 的事件投递，新的在前"),
    ("Remove a webhook: its pending events are deleted", "删除 webhook：待投递的事件会删除"),
    (
        "Make a new secret for a webhook, and print only the secret on standard output; the old secret signs too for 24 hours",
        "更换 webhook 的密钥，标准输出只有新密钥；旧密钥在 24 小时内也用来签名",
    ),
    (
        "Receive events on this machine, verify their signatures, and print one line for each; for development",
        "在本机接收事件，验证签名，每个事件打印一行；供开发使用",
    ),
    (
        "Makes a webhook that leads here, and removes it at the end (Ctrl-C). The gateway must allow http and addresses of this \
         machine, as `hongyan demo` does (webhook_allow_http, webhook_allow_private); or a public address must lead here \
         (--public-url).",
        "设置一个发到这里的 webhook，结束时（Ctrl-C）删除。网关必须允许 http 和本机地址，如同 `hongyan demo`（webhook_allow_http、\
         webhook_allow_private）；或者有一个公网地址通到这里（--public-url）。",
    ),
    (
        "With --secret-file a webhook that exists is taken: its address must lead here, and nothing is made or removed.",
        "带 --secret-file 时使用已有的 webhook：它的地址必须通到这里，不设置也不删除任何 webhook。",
    ),
    (
        "--json prints the webhook first, then one document for each event.",
        "--json 先打印 webhook，然后每个事件一个文档。",
    ),
    ("The webhook's id, whk_…", "webhook 的 id（whk_…）"),
    (
        "Only events of these types, such as message.sent. Default: all types",
        "只要这些类型的事件，例如 message.sent。默认：全部类型",
    ),
    (
        "Only events of these mini programs. Default: all apps of the key",
        "只要这些小程序的事件。默认：key 的全部小程序",
    ),
    ("The URL that events are posted to", "事件投递到的 URL"),
    ("The new URL that events are posted to", "事件投递到的新 URL"),
    ("What the webhook is for", "webhook 的用途"),
    ("Events of all types", "全部类型的事件"),
    ("Events of all apps", "全部小程序的事件"),
    (
        "Send nothing to the webhook, and keep its events until it is enabled",
        "不再发送，为它保留事件，直到启用",
    ),
    ("Send to the webhook again, also the events that were kept for it", "恢复发送，包括为它保留的事件"),
    (
        "Wait at most this many seconds until the webhook has taken the event",
        "最多等待多少秒，等 webhook 接收事件",
    ),
    ("This event, whe_…", "这个事件（whe_…）"),
    (
        "The events at this time or later that the webhook wants: how long ago (24h, 7d), or RFC 3339",
        "这个时间及以后、这个 webhook 想要的事件：多久以前（24h、7d），或 RFC 3339",
    ),
    ("Only events before this time", "只要这个时间以前的事件"),
    (
        "The address on which to receive; port 0 picks a free port",
        "接收用的地址；端口为 0 时自动选一个空闲端口",
    ),
    (
        "A URL of a tunnel or a proxy that leads here; the gateway posts to it",
        "通到这里的隧道或代理的 URL；网关把事件发到那里",
    ),
    (
        "A file with the secret of a webhook that exists and leads here; - reads standard input",
        "存放已有的、通到这里的 webhook 的密钥的文件；- 为标准输入",
    ),
    (
        "Post each verified event to this URL too, and answer as it answers",
        "把验证过的每个事件也发到这个 URL，并照它的应答来应答",
    ),
    ("End after this many events", "收到这么多事件后结束"),
    // backup, restore, import.
    (
        "The copy shows one moment and is checked page by page. FILE appears only when the copy is complete. The gateway keeps \
         running meanwhile. The copy does not contain the master key: keep a copy of the master key too.",
        "副本是数据库在某一时刻的样子，并逐页检查。副本完成后 FILE 才会出现，其间网关照常运行。副本里没有主密钥：请另外保存主密钥。",
    ),
    ("Where to write the copy", "副本写到哪里"),
    ("Replace FILE if it exists", "FILE 已存在时替换它"),
    (
        "Stop the gateway first. An existing database is moved aside, never deleted.",
        "请先停止网关。已有的数据库会被改名保留，绝不删除。",
    ),
    (
        "Messages that were sent after the backup must not be sent again. So messages that were due between the backup and now \
         become `unknown` and are not sent; messages for later stay scheduled. Use --as-is if nothing was sent after the backup, \
         because the gateway was stopped before the backup.",
        "备份之后已经发出的消息不能再发一次。所以在备份与现在之间到时间的消息会变为 `unknown`，不再发送；更晚的消息仍按时发送。\
         如果备份之前网关已停、此后什么也没发，请用 --as-is。",
    ),
    ("nothing is sent until each app is resumed", "逐个恢复小程序之前，一条也不发"),
    ("on a new machine, after a stop and a backup on the old one", "在新机器上，旧机器已停止并做了备份"),
    ("The backup; this file is not changed", "备份文件；不会被改动"),
    ("Move an existing database aside", "把已有的数据库改名保留"),
    (
        "Pause every app, so that nothing is sent until the app is resumed",
        "暂停全部小程序，恢复之前一条也不发",
    ),
    (
        "Nothing was sent after the backup: leave its messages as they are",
        "备份之后没有发过消息：消息保持原样",
    ),
    (
        "Each line is one message as in POST /v1/messages (or one permit), and has a `reference` of your own. A message's \
         idempotency key is made from its reference, so a line stays one message even if it is imported again. Lines are sent in \
         batches, one after the other; a batch without an answer is repeated.",
        "每行是一条消息，格式同 POST /v1/messages（或一份额度），并带有自己的业务编号 `reference`。幂等键由业务编号生成，所以同一行再导入也只是\
         一条消息。各行分批依次发送；没有收到应答的批次会重发。",
    ),
    (
        "The same command again sends only lines that were not accepted yet: it continues where it stopped, tries refused lines \
         again, and sends added lines. An import recognises a line by its content, so the file may be edited anywhere between \
         two runs.",
        "再执行同一命令，只发送尚未接受的行：从中断处继续，重试被拒绝的行，并发送新增的行。导入按内容识别各行，所以两次执行之间可以任意修改文件。",
    ),
    (
        "Exit codes: 0 all lines were accepted, 1 some lines were refused, or the import ended before the end of the file.",
        "退出码：0 全部接受；1 有行被拒绝，或没有导入到文件末尾。",
    ),
    ("The file to import; - reads standard input", "要导入的文件；- 为标准输入"),
    ("The lines of the file are permits", "文件里是下发额度"),
    (
        "Make a reference from the content of each line that has no reference",
        "没有业务编号的行，由内容生成一个",
    ),
    (
        "Write the lines refused in this run to this file, as JSON lines with the line's number and the problem",
        "把这次被拒绝的行写到这个文件，每行一个 JSON，含行号和原因",
    ),
    (
        "Where to remember accepted lines; a second file gets .lines after this name [default: FILE.import-state; for standard \
         input nowhere]",
        "已接受的行记在哪里；另有一个同名加 .lines 的文件 [默认值：FILE.import-state；从标准输入导入时不记]",
    ),
    ("Forget earlier runs, and send all lines", "忘掉以前的导入，发送全部行"),
    ("How many lines one request holds", "一次请求包含多少行"),
    (
        "How long to retry while the gateway does not answer or is overloaded",
        "网关没有应答或过载时，最多重试多久",
    ),
];

/// Why clap or a type refuses a value.
const ERRORS: &[(&str, &str)] = &[
    ("invalid socket address syntax", "应为地址和端口，例如 127.0.0.1:8780"),
    ("invalid digit found in string", "应为数字"),
    ("cannot parse integer from empty string", "应为数字"),
    ("number too large to fit in target type", "数字过大"),
    ("relative URL without a base", "应为完整的 URL，例如 http://127.0.0.1:8780"),
    ("empty host", "URL 缺少主机名"),
    ("invalid port number", "URL 的端口不合法"),
    ("provided string was not `true` or `false`", "应为 true 或 false"),
];
