//! The calls about the public template libraries: listing, adding and deleting templates.

use bytes::Bytes;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

use super::calls::{JSON, address, json, with_token};
use super::{CallError, Client, Repeat};
use crate::TemplateId;
use crate::answer::Empty;
use crate::templates::{
    AddTemplateRequest, AddedTemplate, Category, DataList, DeleteTemplateRequest, LegacyAddRequest,
    LegacyKeywords, LegacyTemplateId, LegacyTemplateListRequest, LegacyTitleRequest, LegacyTitles,
    PublicKeyword, PublicTitles,
};

impl Client {
    /// `POST /wxaapi/newtmpl/addtemplate`: adds a public title with some of its keywords; returns the new template's id.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_addwxanewtemplate.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn add_subscribe_template(
        &self,
        token: &SecretString,
        request: &AddTemplateRequest,
    ) -> Result<TemplateId, CallError> {
        let path = with_token("/wxaapi/newtmpl/addtemplate", token);
        let added: AddedTemplate =
            self.call(Method::POST, &path, JSON, json(request), token, Repeat::Never).await?;
        Ok(added.pri_tmpl_id)
    }

    /// `POST /wxaapi/newtmpl/deltemplate`: deletes a template from the app.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_delwxanewtemplate.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn delete_subscribe_template(
        &self,
        token: &SecretString,
        id: &TemplateId,
    ) -> Result<(), CallError> {
        let path = with_token("/wxaapi/newtmpl/deltemplate", token);
        let body = json(&DeleteTemplateRequest { pri_tmpl_id: id.clone() });
        let Empty {} = self.call(Method::POST, &path, JSON, body, token, Repeat::Never).await?;
        Ok(())
    }

    /// `GET /wxaapi/newtmpl/getcategory`: the app's service categories.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getcategory.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn categories(&self, token: &SecretString) -> Result<Vec<Category>, CallError> {
        let path = with_token("/wxaapi/newtmpl/getcategory", token);
        let list: DataList<Category> =
            self.call(Method::GET, &path, None, Bytes::new(), token, Repeat::IfHungUp).await?;
        Ok(list.data)
    }

    /// `GET /wxaapi/newtmpl/getpubtemplatetitles`: a page of the public titles of some categories. `categories` are
    /// numbers, joined with commas; `limit` is at most 30.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getpubnewtemplatetitles.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn public_titles(
        &self,
        token: &SecretString,
        categories: &str,
        start: u32,
        limit: u32,
    ) -> Result<PublicTitles, CallError> {
        let path = address(
            "/wxaapi/newtmpl/getpubtemplatetitles",
            &[
                ("access_token", token.expose_secret()),
                ("ids", categories),
                ("start", &start.to_string()),
                ("limit", &limit.to_string()),
            ],
        );
        self.call(Method::GET, &path, None, Bytes::new(), token, Repeat::IfHungUp).await
    }

    /// `GET /wxaapi/newtmpl/getpubtemplatekeywords`: the keywords of a public title.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getpubnewtemplatekeywords.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn public_keywords(
        &self,
        token: &SecretString,
        tid: &str,
    ) -> Result<Vec<PublicKeyword>, CallError> {
        let path = address(
            "/wxaapi/newtmpl/getpubtemplatekeywords",
            &[("access_token", token.expose_secret()), ("tid", tid)],
        );
        let list: DataList<PublicKeyword> =
            self.call(Method::GET, &path, None, Bytes::new(), token, Repeat::IfHungUp).await?;
        Ok(list.data)
    }

    /// `POST /cgi-bin/wxopen/template/add`: adds a public title of the old library; returns the new template's id.
    ///
    /// Source: "templateMessage.addTemplate" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn add_legacy_template(
        &self,
        token: &SecretString,
        request: &LegacyAddRequest,
    ) -> Result<TemplateId, CallError> {
        let path = with_token("/cgi-bin/wxopen/template/add", token);
        let added: LegacyTemplateId =
            self.call(Method::POST, &path, JSON, json(request), token, Repeat::Never).await?;
        Ok(added.template_id)
    }

    /// `POST /cgi-bin/wxopen/template/del`: deletes a template of the old kind from the app.
    ///
    /// Source: "templateMessage.deleteTemplate" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn delete_legacy_template(
        &self,
        token: &SecretString,
        id: &TemplateId,
    ) -> Result<(), CallError> {
        let path = with_token("/cgi-bin/wxopen/template/del", token);
        let body = json(&LegacyTemplateId { template_id: id.clone() });
        let Empty {} = self.call(Method::POST, &path, JSON, body, token, Repeat::Never).await?;
        Ok(())
    }

    /// `POST /cgi-bin/wxopen/template/library/list`: a page of the old library's titles, at most 20.
    ///
    /// Source: "templateMessage.getTemplateLibraryList" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn legacy_titles(
        &self,
        token: &SecretString,
        offset: u32,
        count: u32,
    ) -> Result<LegacyTitles, CallError> {
        let path = with_token("/cgi-bin/wxopen/template/library/list", token);
        let body = json(&LegacyTemplateListRequest { offset, count });
        self.call(Method::POST, &path, JSON, body, token, Repeat::IfHungUp).await
    }

    /// `POST /cgi-bin/wxopen/template/library/get`: the keywords of a title of the old library.
    ///
    /// Source: "templateMessage.getTemplateLibraryById" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn legacy_keywords(&self, token: &SecretString, id: &str) -> Result<LegacyKeywords, CallError> {
        let path = with_token("/cgi-bin/wxopen/template/library/get", token);
        let body = json(&LegacyTitleRequest { id: id.to_owned() });
        self.call(Method::POST, &path, JSON, body, token, Repeat::IfHungUp).await
    }
}
