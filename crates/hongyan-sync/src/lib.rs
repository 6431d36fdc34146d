//! The gateway's hand-made synchronisation: the places where a lock, a counter and an order of steps together promise
//! that nothing is lost.
//!
//! | module | promises |
//! | --- | --- |
//! | [`moments`] | a ring of a timer is never lost, whenever it comes |
//! | [`waiters`] | who begins to wait before it looks misses nothing, and who has nothing to tell takes no lock |
//! | [`versions`] | a late value never replaces a newer one, nor one of a later epoch |
//!
//! Each is a plain type without I/O and without async, so that loom can run it: with `--cfg loom` the primitives are
//! loom's, and the tests in `tests/` try every interleaving of a few threads. What waits in the gateway (tokio's
//! `Notify`, `Mutex`, `Semaphore`, `watch`) does not run there; the tests put the plainest thing with the same promise
//! in its place, and say so.

pub mod moments;
pub mod versions;
pub mod waiters;

mod primitives;
