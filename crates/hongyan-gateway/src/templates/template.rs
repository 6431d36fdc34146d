//! A template with its fields.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_store::types::TemplateRecord;
use hongyan_wechat::{AppId, TemplateField, TemplateId, fields_of};

/// A template with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The template as stored.
    pub record: TemplateRecord,
    /// The fields that its content names, in order.
    pub fields: Vec<TemplateField>,
}

impl Template {
    /// The templates, by app and by id.
    pub(crate) fn by_app(records: Vec<TemplateRecord>) -> HashMap<AppId, HashMap<TemplateId, Arc<Self>>> {
        let mut all: HashMap<AppId, HashMap<TemplateId, Arc<Self>>> = HashMap::new();
        for record in records {
            let of_app = all.entry(record.appid.clone()).or_default();
            of_app.insert(record.template_id.clone(), Arc::new(Self::from(record)));
        }
        all
    }
}

impl From<TemplateRecord> for Template {
    fn from(record: TemplateRecord) -> Self {
        let fields = fields_of(&record.content);
        Self { record, fields }
    }
}
