//! What several tasks read and one writes, while the process runs. The tasks that drive it are elsewhere.
//!
//! | module | knows | driven by |
//! | --- | --- | --- |
//! | [`owned`] | which lanes this node has | [`lanes`](crate::lanes) |
//! | [`timers`] | when to look at each lane next | [`schedule`](crate::schedule) |
//! | [`silence`] | since when nothing that WeChat pushed was missed | [`callbacks`](crate::callbacks) |

pub mod owned;
pub mod silence;
pub mod timers;
