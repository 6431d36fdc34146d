// @ts-check
// The page's texts in Chinese and English, and the switch between them.

/** @typedef {'zh' | 'en'} Lang */

/** @type {Record<Lang, Record<string, string>>} */
const TEXTS = {
  zh: {
    page_title: '手机 · 鸿雁沙箱',
    service_notifications: '服务通知',
    cards_label: '消息列表',
    empty_title: '还没有消息',
    empty_text: '在下面的小程序里提交一次表单，消息就会飞到这里。',
    app_name: '鸿雁咖啡',
    back: '返回服务通知',
    enter_app: '进入小程序',
    opened_from_card: '已从服务通知打开',
    opened_path: '页面',
    opened_query: '参数',
    no_query: '无',
    no_backend_title: '还没有连接后端',
    no_backend_text: '运行 <code>hongyan demo</code> 会同时启动后端、网关和这部手机。现在提交只会得到 form_id。',
    no_backend_of_app: '已连接的后端属于另一个小程序。这里提交只会得到 form_id。',
    choose_app: '小程序',
    choose_user: '用户',
    new_user: '新建用户',
    to_inbox: '收件箱',
    to_phones: '多部手机并排',
    input_label: '想喝点什么？',
    input_placeholder: '拿铁咖啡一杯',
    submit: '提交',
    reset: '重置',
    pay: '支付 ¥18.00',
    subscribe: '订阅一次',
    sheet_requests: '申请',
    sheet_title: '发送一次以下消息',
    sheet_keep: '总是保持以上选择，不再询问',
    default_subscription: '订阅消息',
    allow: '允许',
    reject: '拒绝',
    kept_accept: '订阅：总是允许',
    kept_reject: '订阅：总是拒绝',
    ask_again: '重新询问',
    close: '知道了',
    lang_switch: 'English',
    sent: '已提交',
    paid: '支付成功（模拟）',
    allowed: '已允许',
    rejected: '已拒绝，不会发送',
    dismissed: '没有选择',
    got: '得到',
    not_sent_note: '没有后端，所以没有发送。',
    error_network: '没有连上沙箱',
    error_network_text: '沙箱停了吗？重新启动后再试。',
    error_code: '错误 {code}',
    live_connected: '已重新连接',
    live_lost: '连接断开，正在重试',
    new_card: '新通知：{title}，{value}',
    panel_subtitle: '沙箱里的手机',
    panel_title: '刚刚发生了什么',
    panel_intro: '在手机里提交表单，看一条消息如何一站一站地飞到用户的手机。',
    hop_login: 'wx.login',
    hop_login_text: '小程序得到一个五分钟有效的 code',
    hop_session: 'POST /onLogin',
    hop_session_text: '网关用 code 换回 openid',
    hop_right_form: '提交表单 → form_id',
    hop_right_form_text: '一次提交，一份下发额度',
    hop_right_payment: '支付 → prepay_id',
    hop_right_payment_text: '一次支付，一份下发额度',
    hop_right_subscribe: '允许订阅',
    hop_right_subscribe_text: '一次允许，一份下发额度',
    hop_backend_form: 'POST /template',
    hop_backend_subscribe: 'POST /subscribe',
    hop_backend_text: '内容和额度一起交给后端',
    hop_gateway: '鸿雁网关',
    hop_gateway_text: '额度与消息先落盘，再答 202',
    hop_wechat: '微信',
    hop_wechat_text: '网关带着令牌调用发送接口',
    hop_card: '服务通知',
    hop_card_text: '用户看到了消息',
    total: '共 {ms} 毫秒',
  },
  en: {
    page_title: 'Phone · Hongyan sandbox',
    service_notifications: 'Service Notifications',
    cards_label: 'Messages',
    empty_title: 'No messages yet',
    empty_text: 'Submit the form in the mini program below and a message will fly in here.',
    app_name: 'Hongyan Café',
    back: 'Back to Service Notifications',
    enter_app: 'Enter mini program',
    opened_from_card: 'Opened from a service notification',
    opened_path: 'Page',
    opened_query: 'Query',
    no_query: 'none',
    no_backend_title: 'No back end is connected',
    no_backend_text: '<code>hongyan demo</code> starts a back end, the gateway and this phone together. For now, Submit only yields a form_id.',
    no_backend_of_app: 'The back end belongs to another app. Here, Submit only yields a form_id.',
    choose_app: 'App',
    choose_user: 'User',
    new_user: 'New user',
    to_inbox: 'Inbox',
    to_phones: 'Phones side by side',
    input_label: 'What would you like to order?',
    input_placeholder: 'One latte, please',
    submit: 'Submit',
    reset: 'Reset',
    pay: 'Pay ¥18.00',
    subscribe: 'Subscribe once',
    sheet_requests: 'requests to',
    sheet_title: 'Send you this message once',
    sheet_keep: 'Always keep the above choice, do not ask again',
    default_subscription: 'Subscribe message',
    allow: 'Allow',
    reject: 'Reject',
    kept_accept: 'Subscription: always allow',
    kept_reject: 'Subscription: always reject',
    ask_again: 'Ask again',
    close: 'OK',
    lang_switch: '中文',
    sent: 'Submitted',
    paid: 'Paid (simulated)',
    allowed: 'Allowed',
    rejected: 'Rejected, nothing is sent',
    dismissed: 'No choice was made',
    got: 'Got',
    not_sent_note: 'No back end, so nothing was sent.',
    error_network: 'The sandbox does not answer',
    error_network_text: 'Has it stopped? Start it again and retry.',
    error_code: 'Error {code}',
    live_connected: 'Connected again',
    live_lost: 'Connection lost, retrying',
    new_card: 'New notification: {title}, {value}',
    panel_subtitle: 'the phone in the sandbox',
    panel_title: 'What just happened',
    panel_intro: 'Submit the form and watch a message travel, hop by hop, to the phone of the user.',
    hop_login: 'wx.login',
    hop_login_text: 'The mini program gets a code, good for five minutes',
    hop_session: 'POST /onLogin',
    hop_session_text: 'The gateway turns the code into an openid',
    hop_right_form: 'Form submitted → form_id',
    hop_right_form_text: 'One submit, one right to send',
    hop_right_payment: 'Paid → prepay_id',
    hop_right_payment_text: 'One payment, one right to send',
    hop_right_subscribe: 'Subscription allowed',
    hop_right_subscribe_text: 'One consent, one right to send',
    hop_backend_form: 'POST /template',
    hop_backend_subscribe: 'POST /subscribe',
    hop_backend_text: 'Text and right go to the back end',
    hop_gateway: 'Hongyan gateway',
    hop_gateway_text: 'Stores permit and message, then answers 202',
    hop_wechat: 'WeChat',
    hop_wechat_text: 'The gateway calls the send API with its token',
    hop_card: 'Service Notifications',
    hop_card_text: 'The user sees the message',
    total: '{ms} ms in all',
  },
};

/** The cookie of all pages of the sandbox. */
const COOKIE = 'hongyan_lang';
const COOKIE_SECONDS = 365 * 86_400;

/** What the texts call the mini program, if it is not the tutorial's. */
let appName = '';

/** The language in which the server has drawn the page. @type {Lang} */
let current = document.documentElement.lang.startsWith('zh') ? 'zh' : 'en';

/** @returns {Lang} */
export function lang() {
  return current;
}

/** @param {Lang} next */
export function setLang(next) {
  current = next;
  document.cookie = `${COOKIE}=${next}; path=/; max-age=${COOKIE_SECONDS}; samesite=lax`;
  applyTexts();
}

/** Names another mini program than the tutorial's. @param {string} name */
export function setAppName(name) {
  appName = name;
  applyTexts();
}

/**
 * The text of `key` in the current language, with `{name}` replaced.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = key === 'app_name' && appName ? appName : TEXTS[current][key];
  if (text === undefined) throw new Error(`no text is named ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Fills every element under `root` that names its text. @param {ParentNode} [root] */
export function applyTexts(root = document) {
  for (const element of root.querySelectorAll('[data-i18n]')) {
    element.textContent = t(element.getAttribute('data-i18n') ?? '');
  }
  for (const element of root.querySelectorAll('[data-i18n-html]')) {
    // These texts are constants of this file and hold <code>; nothing from outside gets in here.
    element.innerHTML = t(element.getAttribute('data-i18n-html') ?? '');
  }
  for (const element of root.querySelectorAll('[data-i18n-placeholder]')) {
    element.setAttribute('placeholder', t(element.getAttribute('data-i18n-placeholder') ?? ''));
  }
  for (const element of root.querySelectorAll('[data-i18n-label]')) {
    element.setAttribute('aria-label', t(element.getAttribute('data-i18n-label') ?? ''));
  }
  for (const element of root.querySelectorAll('[data-lang-switch]')) {
    element.textContent = t('lang_switch');
    element.setAttribute('lang', current === 'zh' ? 'en' : 'zh-CN');
  }
  document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en';
  document.title = t('page_title');
}
