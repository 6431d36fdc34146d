// wx.request as a promise: a POST of JSON to the back end.
const config = require('./config.js');

/** An answer that is no success, or none at all. `status` is 0 when nothing answered. */
class RequestError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} data
 * @returns {Promise<Record<string, any>>}
 */
function post(path, data) {
  return new Promise((resolve, reject) => {
    wx.request({
      url: config.backend + path,
      method: 'POST',
      data,
      success({ statusCode, data: answer }) {
        const body = /** @type {Record<string, any>} */ (answer);
        if (statusCode >= 200 && statusCode < 300) resolve(body);
        else reject(new RequestError(statusCode, body.detail || body.title || body.errmsg || `HTTP ${statusCode}`));
      },
      fail({ errMsg }) {
        reject(new RequestError(0, errMsg));
      },
    });
  });
}

module.exports = { post, RequestError };
