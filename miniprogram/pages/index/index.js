// The one page: a form whose submit gives the right to send one message, and a button that asks for a subscription.
const config = require('../../config.js');

/** @type {{ask(path: string, data: object): Promise<Record<string, any>>, freshCode(): Promise<string>}} */
const app = getApp();

Page({
  data: {
    /** What the page was opened with; a tap on a notification brings `from=card`. */
    query: '',
    /** What became of the last tap. */
    outcome: '',
    busy: false,
  },

  /** @param {Record<string, string | undefined>} query */
  onLoad(query) {
    const pairs = Object.entries(query).map(([name, value]) => `${name}=${value}`);
    this.setData({ query: pairs.join('&') });
  },

  /**
   * `report-submit` puts the form id into the event. The developer tools give "the formId is a mock one", which the
   * gateway refuses: a real one comes from a real phone, and from the sandbox.
   * @param {WechatMiniprogram.FormSubmit} event
   */
  formSubmit(event) {
    const { formId, value } = event.detail;
    return this.during(async () => {
      // The code lets a back end that keeps no sessions find out who this is, as the tutorial's did.
      const code = await app.freshCode();
      return app.ask('/template', { input: value.input, formId, code });
    });
  },

  formReset() {
    this.setData({ outcome: '' });
  },

  /** Must be called by a tap: WeChat shows the box only then. */
  subscribe() {
    const template = config.subscribeTemplate;
    if (!template) {
      this.setData({ outcome: '请先在 config.js 填写 subscribeTemplate。 Set subscribeTemplate in config.js first.' });
      return undefined;
    }
    return this.during(async () => {
      const answers = await wx.requestSubscribeMessage({ tmplIds: [template] });
      return app.ask('/subscribe', { template, result: answers[template] });
    });
  },

  /**
   * Shows how one task goes: buttons rest meanwhile, then the message's state or the error is shown.
   * @param {() => Promise<Record<string, any>>} task
   */
  async during(task) {
    this.setData({ busy: true, outcome: '' });
    try {
      const { id, state } = await task();
      this.setData({ outcome: id ? `${state} · ${id}` : state });
    } catch (error) {
      const { message, errMsg } = /** @type {{message?: string, errMsg?: string}} */ (error);
      this.setData({ outcome: message || errMsg || String(error) });
    } finally {
      this.setData({ busy: false });
    }
  },
});
