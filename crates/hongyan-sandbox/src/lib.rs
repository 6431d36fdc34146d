//! WeChat simulated, with the phone
