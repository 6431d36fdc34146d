// The tutorial's mini program: logs in once, keeps the back end's session, logs in again when it is gone.
const { post, RequestError } = require('./request.js');

/**
 * A fresh code, good for one exchange within five minutes.
 * @returns {Promise<string>}
 */
function freshCode() {
  return new Promise((resolve, reject) => {
    wx.login({
      success: ({ code }) => resolve(code),
      fail: ({ errMsg }) => reject(new RequestError(0, errMsg)),
    });
  });
}

App({
  /** What the back end calls this user. The openid and the session_key never come here. */
  session: '',

  onLaunch() {
    // Failing here is no harm: `ask` logs in when a session is needed.
    this.login().catch((error) => console.warn('login at launch:', error.message));
  },

  freshCode,

  async login() {
    const { session } = await post('/onLogin', { code: await freshCode() });
    this.session = session;
  },

  /**
   * Posts as the user who is logged in. A back end that has forgotten the session answers 401: then log in once more.
   * @param {string} path
   * @param {Record<string, unknown>} data
   */
  async ask(path, data) {
    if (!this.session) await this.login();
    try {
      return await post(path, { ...data, session: this.session });
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 401) throw error;
      await this.login();
      return post(path, { ...data, session: this.session });
    }
  },
});
