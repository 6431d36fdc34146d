//! The gateway's hand-made synchronisation: the places where a lock, a counter and an order of steps together promise
//! that nothing is lost.
//!
//! | module | promises |
//! | --- | --- |
//! | [`moments`] | a ring of a timer is never lost, whenever it comes |
//! | [`waiters`] | a task that joins before it looks misses nothing, and telling takes no lock while nobody waits |
//! | [`versions`] | a late value never replaces a newer one, nor one of a later epoch |
//!
//! Each is a plain type without I/O and without async, so that loom can run it: with `--cfg loom` the primitives are loom's,
//! and the tests in `tests/` try every interleaving of a few threads. Loom cannot run the parts of tokio that the gateway
//! waits on (`Notify`, `Mutex`, `Semaphore`, `watch`). The tests replace each by the simplest thing with the same promise,
//! and say so.

pub mod moments;
pub mod versions;
pub mod waiters;

mod primitives;
