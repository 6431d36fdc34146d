//! Where a message comes from.

use std::sync::Arc;

/// The request that brought a message, and the trace that the message belongs to: for logs and traces alone. Nothing is
/// decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id of the request (`x-request-id`): at most 128 visible characters without a space.
    pub request_id: Option<Arc<str>>,
    /// The parent of the message's next spans, as W3C's `traceparent`; `None`: the message is not traced.
    pub traceparent: Option<Arc<str>>,
}

impl Origin {
    /// The id of the trace, 32 hexadecimal digits: the second part of W3C's `traceparent`.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref()?.split('-').nth(1)
    }

    /// The text that is stored: one column is shorter than two.
    pub(crate) fn stored(&self) -> Option<String> {
        match (&self.request_id, &self.traceparent) {
            (None, None) => None,
            (Some(id), None) => Some(id.to_string()),
            (id, Some(trace)) => Some(format!("{} {trace}", id.as_deref().unwrap_or_default())),
        }
    }

    /// Reads the stored text.
    pub(crate) fn read(stored: Option<&str>) -> Self {
        let Some(stored) = stored else { return Self::default() };
        let (id, trace) = stored.split_once(' ').map_or((stored, None), |(id, trace)| (id, Some(trace)));
        Self { request_id: (!id.is_empty()).then(|| id.into()), traceparent: trace.map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (id, traceparent) in
            [(None, None), (Some("r-1"), None), (None, Some(trace)), (Some("r-1"), Some(trace))]
        {
            let origin = Origin { request_id: id.map(Into::into), traceparent: traceparent.map(Into::into) };
            assert_eq!(Origin::read(origin.stored().as_deref()), origin);
            let trace_id = traceparent.map(|_| "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(origin.trace_id(), trace_id);
        }
        assert_eq!(Origin::default().stored(), None, "nothing is written for nothing");
    }
}
