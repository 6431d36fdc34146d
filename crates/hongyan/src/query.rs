//! The query of a request.

use url::form_urlencoded::Serializer;

/// Names and values, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// The query with one value more, if there is a value.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// A path with this query.
    pub(crate) fn of(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{}", Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_absent_ones_leave_no_trace() {
        let query =
            Query::default().with("limit", Some(5)).with("to", None::<&str>).with("name", Some("a&b 咖"));
        assert_eq!(query.of("/v1/x"), "/v1/x?limit=5&name=a%26b+%E5%92%96");
        assert_eq!(Query::default().of("/v1/x"), "/v1/x");
    }
}
