//! The errcodes in words, in ascending order. Data only; `types.rs` has the types.
#![expect(
    clippy::unreadable_literal,
    reason = "an errcode is a name made of digits, and is searched for as WeChat writes it"
)]

use super::types::{Errcode, ErrcodeInfo, Fault};

/// Makes the table and one constant of [`Errcode`] per entry from the same lines, so that they cannot differ.
macro_rules! errcodes {
    ($($code:literal $constant:ident $name:literal $fault:ident
       $meaning_en:literal $advice_en:literal $meaning_zh:literal $advice_zh:literal)*) => {
        impl Errcode {
            $(
                #[doc = concat!("`", $code, "`: ", $meaning_en, ".")]
                pub const $constant: Self = Self($code);
            )*
        }

        pub(super) static TABLE: &[ErrcodeInfo] = &[$(
            ErrcodeInfo {
                errcode: Errcode($code),
                name: $name,
                meaning_en: $meaning_en,
                meaning_zh: $meaning_zh,
                fault: Fault::$fault,
                advice_en: $advice_en,
                advice_zh: $advice_zh,
            },
        )*];
    };
}

errcodes! {
    -1 SYSTEM_BUSY "system_busy" WeChat
        "WeChat is busy" "Try again in a moment."
        "微信系统繁忙" "稍候片刻再试。"
    20001 TEMPLATE_SYSTEM_ERROR "template_system_error" WeChat
        "WeChat's template service failed" "Try again in a moment."
        "微信模板服务出错" "稍候片刻再试。"
    20002 TEMPLATE_BAD_ARGUMENT "template_bad_argument" Caller
        "A parameter of the template service is wrong" "Compare the parameters with the call's page."
        "模板接口的参数有误" "请对照接口文档检查参数。"
    40001 INVALID_CREDENTIAL "invalid_credential" Race
        "The access token is not the newest one, or the AppSecret is wrong"
        "Let only one program fetch this app's token; if only one program does, compare the AppSecret with the admin console."
        "access_token 不是最新的，或 AppSecret 错误"
        "请确认只有一个程序在获取该小程序的 access_token；若确实如此，请到管理后台核对 AppSecret。"
    40002 INVALID_GRANT_TYPE "invalid_grant_type" Caller
        "This call does not accept this grant_type" "Use client_credential for tokens, authorization_code for logins."
        "grant_type 取值不对" "获取凭证填 client_credential，登录填 authorization_code。"
    40003 INVALID_OPENID "invalid_openid" Caller
        "The openid does not belong to a user of this app" "Check that the openid came from a login of the same appid."
        "openid 不属于该小程序" "请确认 openid 来自同一 appid 的登录。"
    40013 INVALID_APPID "invalid_appid" Configuration
        "The appid does not exist" "Compare the appid with the admin console, upper and lower case included."
        "appid 不存在" "请到管理后台核对 appid，注意大小写。"
    40014 INVALID_ACCESS_TOKEN "invalid_access_token" Caller
        "The access token is malformed" "Send the whole token unchanged, without quotes."
        "access_token 不合法" "请原样、完整地携带获取到的凭证。"
    40029 INVALID_CODE "invalid_code" Caller
        "The login code is wrong or older than five minutes" "Call wx.login again and send the new code at once."
        "登录 code 无效或已超过五分钟" "请重新调用 wx.login，并立即提交新的 code。"
    40037 INVALID_TEMPLATE "invalid_template" Caller
        "The app has no template with this id" "List the app's templates and use one of their ids."
        "该小程序没有这个模板" "请查看小程序已有的模板列表，使用其中的模板 id。"
    40097 INVALID_ARGUMENT "invalid_argument" Caller
        "A parameter is wrong" "Compare the parameters with the call's page."
        "参数错误" "请对照接口文档检查参数。"
    40125 INVALID_SECRET "invalid_secret" Configuration
        "The AppSecret is wrong" "Compare the AppSecret with the admin console; after a reset only the new AppSecret works."
        "AppSecret 错误" "请到管理后台核对；重置之后只有新的 AppSecret 有效。"
    40163 CODE_USED "code_used" Caller
        "The login code was used before" "A code can be exchanged once: call wx.login again."
        "登录 code 已被使用过" "每个 code 只能换取一次，请重新调用 wx.login。"
    40164 IP_NOT_LISTED "ip_not_listed" Configuration
        "The server's address is not on the app's list" "Add the address that errmsg names to the IP list in the admin console."
        "服务器 IP 不在白名单中" "请在管理后台把 errmsg 中的 IP 加入白名单。"
    40226 RISKY_USER "risky_user" User
        "WeChat considers this user a risk and blocks the login" "The server can do nothing; the user may appeal to WeChat."
        "该用户被判定为高风险，登录被拦截" "服务端无需处理，用户可向微信申诉。"
    40243 SECRET_FROZEN "secret_frozen" Configuration
        "The AppSecret is frozen" "Unfreeze the AppSecret in the admin console."
        "AppSecret 已被冻结" "请在管理后台解冻后再试。"
    40400 BAD_HTTP_REQUEST "bad_http_request" Caller
        "The HTTP request is malformed" "Check the request's syntax, headers and body."
        "HTTP 报文不符合规范" "请检查请求的格式、请求头和请求体。"
    41001 TOKEN_MISSING "token_missing" Caller
        "The request has no access token" "Add the parameter access_token to the address."
        "缺少 access_token" "请在地址中加上 access_token 参数。"
    41002 APPID_MISSING "appid_missing" Caller
        "The request has no appid" "Add the parameter appid."
        "缺少 appid" "请加上 appid 参数。"
    41004 SECRET_MISSING "secret_missing" Caller
        "The request has no secret" "Add the parameter secret."
        "缺少 secret" "请加上 secret 参数。"
    41008 CODE_MISSING "code_missing" Caller
        "The request has no login code" "Add the parameter js_code."
        "缺少登录 code" "请加上 js_code 参数。"
    41028 INVALID_FORM_ID "invalid_form_id" Caller
        "The form_id is wrong or older than seven days" "Use another permit of the same user; a form_id works for seven days."
        "form_id 不正确或已超过七天" "请换用该用户的其他下发额度；form_id 七天内有效。"
    41029 FORM_ID_USED "form_id_used" Caller
        "The form_id was used before" "Use another permit of the same user; a form_id works for one message."
        "form_id 已被使用过" "请换用该用户的其他下发额度；一个 form_id 只能下发一条消息。"
    41030 INVALID_PAGE "invalid_page" Caller
        "The mini program has no such page" "Send the path of a released page, without a leading slash."
        "page 不是小程序中的页面" "请填写已发布的页面路径，开头不带斜杠。"
    42001 TOKEN_EXPIRED "token_expired" Caller
        "The access token has expired" "Fetch a new access token."
        "access_token 已过期" "请重新获取。"
    43002 POST_REQUIRED "post_required" Caller
        "This call needs the method POST" "Send the request with the method POST."
        "该接口需要 POST 请求" "请改用 POST 方法。"
    43101 NOT_ACCEPTED "not_accepted" User
        "The user did not accept this subscription, withdrew it, or all acceptances are used up"
        "Ask the user again with wx.requestSubscribeMessage."
        "用户未订阅、已取消订阅，或订阅次数已用完" "请再次用 wx.requestSubscribeMessage 征得用户同意。"
    43107 TEMPLATE_BANNED "template_banned" Configuration
        "WeChat has banned the template, or the app from subscribe messages" "Read the notice in the admin console."
        "模板或订阅消息能力被封禁" "请到管理后台查看站内信说明。"
    43108 SEND_CONFLICT "send_conflict" Race
        "Another message to the same user is being sent at this moment" "For messages through the gateway there is nothing to do: the gateway sends to each user one message at a time. If another program calls WeChat for this app, let that program do the same."
        "正在同时给同一用户下发多条消息" "通过网关下发时无需处理，网关会对同一用户逐条下发。若还有别的程序为该小程序调用微信，也应逐条下发。"
    44002 EMPTY_BODY "empty_body" Caller
        "The POST has no body" "Send the JSON body that the call's page describes."
        "POST 的请求体为空" "请按接口文档提交 JSON 请求体。"
    45009 DAY_QUOTA "day_quota" Quota
        "The daily quota of this call is used up" "Wait until midnight in Beijing, or clear the quota in the admin console."
        "该接口当日调用次数已用完" "请等到北京时间零点，或在管理后台清零。"
    45011 MINUTE_QUOTA "minute_quota" Quota
        "Too many calls within a minute" "Slow down, and try again in the next minute."
        "调用过于频繁" "请放慢速度，下一分钟再试。"
    45026 TEMPLATE_LIMIT "template_limit" Quota
        "The app has the maximum number of templates" "Delete a template that is not needed."
        "模板数量已达上限" "请先删除不用的模板。"
    45168 SENSITIVE_WORD "sensitive_word" Caller
        "The text contains a word that WeChat blocks" "Change the text of the message."
        "内容命中敏感词" "请修改消息内容。"
    47001 BAD_JSON "bad_json" Caller
        "The body is not valid JSON, or lacks a parameter" "Send UTF-8 JSON with all parameters from the call's page."
        "请求体不是合法的 JSON，或缺少参数" "请提交 UTF-8 编码且参数完整的 JSON。"
    47003 FIELD_RULE "field_rule" Caller
        "A field breaks the rule of its kind" "Find the field in errmsg, and compare its value with the rule."
        "字段内容不符合该类型的规则" "请按 errmsg 指出的字段对照规则修改。"
    48001 API_UNAUTHORIZED "api_unauthorized" Configuration
        "The app may not use this call" "Check in the admin console that the capability is switched on."
        "该小程序没有此接口的权限" "请在管理后台确认已开通相应能力。"
    48006 CLEAR_QUOTA_LIMIT "clear_quota_limit" Quota
        "The quota cannot be cleared again this month" "Wait until next month."
        "本月清零次数已用完" "请等到下个月。"
    50002 USER_LIMITED "user_limited" User
        "The account is restricted, perhaps frozen or closed" "The server can do nothing."
        "账号受限，可能已被冻结或注销" "服务端无需处理。"
    50004 TOKEN_FORBIDDEN "token_forbidden" Configuration
        "The app may not fetch tokens" "Read the notice in the admin console."
        "禁止使用获取凭证的接口" "请到管理后台查看说明。"
    50007 APP_FROZEN "app_frozen" Configuration
        "The app's account is frozen" "Read the notice in the admin console."
        "账号已被冻结" "请到管理后台查看说明。"
    76001 RID_NOT_FOUND "rid_not_found" Caller
        "There is no request with this rid" "Copy the rid from errmsg as it is."
        "rid 不存在" "请原样复制 errmsg 中的 rid。"
    76002 RID_INVALID "rid_invalid" Caller
        "The rid is empty or malformed" "Copy the rid from errmsg as it is."
        "rid 为空或格式错误" "请原样复制 errmsg 中的 rid。"
    76003 RID_OF_ANOTHER_APP "rid_of_another_app" Caller
        "The rid belongs to a request of another app" "Use the token of the app that got the rid."
        "该 rid 属于其他账号" "请用产生该 rid 的账号查询。"
    76004 RID_EXPIRED "rid_expired" Caller
        "The rid is older than seven days" "Query a rid within seven days."
        "rid 已超过七天" "请在七天之内查询。"
    76021 CGI_PATH_NOT_FOUND "cgi_path_not_found" Caller
        "There is no call with this cgi_path" "Send the path with its leading slash, without parameters."
        "cgi_path 填写错误" "请填写以斜杠开头、不带参数的接口路径。"
    76022 CGI_PATH_FORBIDDEN "cgi_path_forbidden" Caller
        "The cgi_path belongs to another type of account" "Use a token of an account of that type."
        "当前凭证与接口所属账号类型不符" "请改用相应账号的凭证。"
    87007 SESSION_KEY_EXPIRED "session_key_expired" User
        "This user has no session_key, or the session_key has expired" "Let the user log in again."
        "session_key 不存在或已过期" "请让用户重新登录。"
    87008 INVALID_SIG_METHOD "invalid_sig_method" Caller
        "The sig_method is unknown" "Use hmac_sha256."
        "sig_method 取值不对" "请使用 hmac_sha256。"
    87009 INVALID_SIGNATURE "invalid_signature" Caller
        "The signature does not match the session_key" "A newer login may have replaced the session_key; log in again."
        "签名与 session_key 不符" "session_key 可能已被新的登录替换，请重新登录。"
    89503 ADMIN_MUST_CONFIRM "admin_must_confirm" Configuration
        "The app's administrator must confirm this server's address first" "Ask the administrator to confirm in WeChat."
        "此次调用需要管理员确认" "请联系管理员在微信中确认。"
    89506 ADMIN_REFUSED_DAY "admin_refused_day" Configuration
        "The administrator refused this server's address; blocked for 24 hours" "Talk to the administrator, then wait 24 hours."
        "管理员拒绝了该 IP 的调用，24 小时内不可用" "请先与管理员沟通，24 小时后再试。"
    89507 ADMIN_REFUSED_HOUR "admin_refused_hour" Configuration
        "The administrator refused this server's address; blocked for an hour" "Talk to the administrator, then wait an hour."
        "管理员拒绝了该 IP 的调用，1 小时内不可用" "请先与管理员沟通，1 小时后再试。"
    200001 TEMPLATE_SERVICE_DOWN "template_service_down" WeChat
        "WeChat's template library failed" "Try again in a moment."
        "微信模板库出错" "稍候片刻再试。"
    200002 TEMPLATE_PARAMETER "template_parameter" Caller
        "A parameter of the template library is wrong" "Compare the parameters with the call's page."
        "模板库接口的参数有误" "请对照接口文档检查参数。"
    200011 TEMPLATE_ACCOUNT_BANNED "template_account_banned" Configuration
        "The account is banned from adding templates" "Read the notice in the admin console."
        "此账号已被封禁，不能添加模板" "请到管理后台查看站内信说明。"
    200012 PRIVATE_TEMPLATE_LIMIT "private_template_limit" Quota
        "The app has the maximum number of private templates" "Delete a template that is not needed."
        "私有模板数已达上限" "请先删除不用的模板。"
    200013 LIBRARY_TEMPLATE_BANNED "library_template_banned" Configuration
        "This template of the library is banned" "Choose another template; the notice in the admin console gives the reason."
        "该模板已被封禁" "请选用其他模板；原因见管理后台站内信。"
    200014 INVALID_TID "invalid_tid" Caller
        "The library has no template with this tid" "Take the tid from the list of public templates."
        "模板 tid 错误" "请使用公共模板列表中的 tid。"
    200016 INVALID_START "invalid_start" Caller
        "The parameter start is wrong" "Count from 0."
        "start 参数错误" "请从 0 开始计数。"
    200017 INVALID_LIMIT "invalid_limit" Caller
        "The parameter limit is wrong" "Send at most 30."
        "limit 参数错误" "最多填 30。"
    200018 CATEGORY_IDS_MISSING "category_ids_missing" Caller
        "The category ids are missing" "Add the parameter ids, separated by commas."
        "缺少类目 ids" "请加上以逗号分隔的 ids 参数。"
    200019 INVALID_CATEGORY_IDS "invalid_category_ids" Caller
        "The app does not have these categories" "Take the category ids from the app's list of categories."
        "类目 ids 不合法" "请使用小程序自己的类目。"
    200020 INVALID_KID_LIST "invalid_kid_list" Caller
        "The parameter kidList is wrong" "Choose 2 to 5 keywords of the template."
        "关键词列表 kidList 错误" "请从该模板的关键词中选择 2 至 5 个。"
    200021 INVALID_SCENE "invalid_scene" Caller
        "The parameter sceneDesc is wrong" "Describe the occasion in at most 15 characters."
        "场景描述 sceneDesc 错误" "请用不超过 15 个字描述使用场景。"
    200022 TEMPLATE_EXISTS "template_exists" Caller
        "The app already has this template with these keywords" "Use the existing template, or choose other keywords."
        "相同标题和关键词的模板已存在" "请使用已有的模板，或更换关键词。"
    200100 WRONG_ACCOUNT_TYPE "wrong_account_type" Configuration
        "The account is not a mini program" "Use a mini program's token."
        "账号类型不合法" "请使用小程序账号调用。"
}
