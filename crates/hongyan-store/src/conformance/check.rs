//! A check, and the list of a module's checks.

use std::future::Future;
use std::pin::Pin;

use super::world::World;

/// One sentence about the store, and the code that checks it.
pub(super) struct Check {
    pub(super) module: &'static str,
    pub(super) name: &'static str,
    pub(super) run: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Check {
    /// The path of the function, as in code.
    pub(super) fn path(&self) -> String {
        format!("{}::{}", self.module, self.name)
    }
}

/// Makes a module's list of checks from the names of its functions.
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        pub(super) const CHECKS: &[super::check::Check] = &[$(super::check::Check {
            module: module_path!(),
            name: stringify!($name),
            run: |world| Box::pin($name(world)),
        }),*];
    };
}
pub(super) use checks;
