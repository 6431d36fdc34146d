//! State in memory that one task writes and several tasks read. The tasks that drive it are in other modules.
//!
//! | module | knows | driven by |
//! | --- | --- | --- |
//! | [`owned`] | which lanes this node has | [`lanes`](crate::lanes) |
//! | [`timers`] | when to look at each lane next | [`schedule`](crate::schedule) |
//! | [`silence`] | since when WeChat's pushes were received without a gap | [`callbacks`](crate::callbacks) |

pub mod owned;
pub mod silence;
pub mod timers;
