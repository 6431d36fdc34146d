//! A check, and a module's list of them.

use std::future::Future;
use std::pin::Pin;

use super::world::World;

/// One sentence about the store, and the code that finds out whether it is true.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) run: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Makes a module's list of checks from the names of its functions.
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        pub(super) const CHECKS: &[super::check::Check] =
            &[$(super::check::Check { name: stringify!($name), run: |world| Box::pin($name(world)) }),*];
    };
}
pub(super) use checks;
