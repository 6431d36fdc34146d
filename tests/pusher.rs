//! The sender of pushes to a callback: WeChat, or an impostor.

use hongyan_wechat::callback::{EncodingAesKey, sign};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::world::{Answer, Http, World, eventually};

pub const TOKEN: &str = "sharedToken1";
pub const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// Sends pushes to a callback, as WeChat or as an impostor.
pub struct Pusher {
    pub http: Http,
    pub url: String,
    pub appid: String,
    pub key: Option<EncodingAesKey>,
    pub token: String,
}

/// The parameters of a request.
#[derive(Clone)]
pub struct Signed {
    pub timestamp: String,
    pub nonce: String,
}

impl Pusher {
    /// Sets up a callback of the app; in safe mode, with a key.
    pub async fn of(world: &World, sealed: bool) -> Self {
        let callback = if sealed {
            json!({ "token": TOKEN, "encoding_aes_key": AES_KEY })
        } else {
            json!({ "token": TOKEN })
        };
        world.change_app(json!({ "callback": callback })).await.expect(200);
        Self {
            http: Http::new(),
            url: world.url.clone(),
            appid: world.wechat.seed.appid.clone(),
            key: sealed.then(|| AES_KEY.parse().unwrap()),
            token: TOKEN.into(),
        }
    }

    /// Sends a push with this content, as WeChat does.
    pub async fn push(&self, signed: &Signed, content: &str) -> Answer {
        let body = match &self.key {
            None => content.to_owned(),
            Some(key) => {
                let sealed = key.seal([7; 16], content.as_bytes(), &self.appid.parse().unwrap());
                return self.push_sealed(signed, &sealed).await;
            }
        };
        self.post(signed, "", body).await
    }

    pub async fn push_sealed(&self, signed: &Signed, sealed: &str) -> Answer {
        let signature = sign(&[&self.token, &signed.timestamp, &signed.nonce, sealed]);
        let body = format!("<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>");
        self.post(signed, &format!("&encrypt_type=aes&msg_signature={signature}"), body).await
    }

    pub async fn post(&self, signed: &Signed, more: &str, body: String) -> Answer {
        self.http.send(Method::POST, &self.address(signed, more), &[("content-type", "text/xml")], body).await
    }

    pub fn address(&self, signed: &Signed, more: &str) -> String {
        let Signed { timestamp, nonce } = signed;
        let signature = sign(&[&self.token, timestamp, nonce]);
        format!(
            "{}/callback/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}{more}",
            self.url, self.appid
        )
    }
}

impl World {
    /// The parameters of a request that is signed now.
    pub fn signed(&self, nonce: &str) -> Signed {
        Signed { timestamp: self.clock.now().as_seconds().to_string(), nonce: nonce.into() }
    }

    pub async fn change_app(&self, change: Value) -> Answer {
        let path = format!("/v1/apps/{}", self.wechat.seed.appid);
        self.call(Method::PATCH, &path, &[], change.to_string()).await
    }

    pub async fn events(&self) -> Vec<Value> {
        self.get("/v1/events").await.expect(200)["events"].as_array().unwrap().clone()
    }

    /// The last event, once it is processed.
    pub async fn worked_on(&self) -> Value {
        let last = async || self.events().await.first().cloned().unwrap_or_default();
        eventually(last, |event| event["state"] == "done").await
    }

    pub async fn refused_for(&self, reason: &str) -> bool {
        let metrics = self.get("/metrics").await.text;
        metrics.contains(&format!("hongyan_callback_refused_total{{reason=\"{reason}\"}}"))
    }

    /// As XML; JSON is the same without the element around `List`.
    pub fn event(&self, name: &str, wrapper: &str, openid: &str, list: &Value) -> Map<String, Value> {
        let content = json!({
            "ToUserName": "gh_1",
            "FromUserName": openid,
            "CreateTime": self.clock.now().as_seconds(),
            "MsgType": "event",
            "Event": name,
            wrapper: { "List": list },
        });
        content.as_object().unwrap().clone()
    }

    pub fn popup(&self, openid: &str, word: &str) -> Map<String, Value> {
        let entry =
            json!({ "TemplateId": self.wechat.seed.subscribe_template, "SubscribeStatusString": word });
        self.event("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", openid, &entry)
    }

    pub fn change(&self, openid: &str) -> Map<String, Value> {
        let entry =
            json!({ "TemplateId": self.wechat.seed.subscribe_template, "SubscribeStatusString": "reject" });
        self.event("subscribe_msg_change_event", "SubscribeMsgChangeEvent", openid, &entry)
    }

    pub fn sent(&self, openid: &str, msgid: i64, code: i64, status: &str) -> Map<String, Value> {
        let entry = json!({
            "TemplateId": self.wechat.seed.subscribe_template,
            "MsgID": msgid,
            "ErrorCode": code,
            "ErrorStatus": status,
        });
        self.event("subscribe_msg_sent_event", "SubscribeMsgSentEvent", openid, &entry)
    }
}

/// The same as JSON, which has no element around `List`.
pub fn as_json(event: &Map<String, Value>) -> String {
    let mut flat = Map::new();
    for (name, value) in event {
        match value.get("List") {
            Some(list) => drop(flat.insert("List".into(), list.clone())),
            None => drop(flat.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(flat).to_string()
}

#[track_caller]
pub fn is_success(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "success"), "{answer:?}");
}

/// Whatever was wrong, the sender gets the same answer.
#[track_caller]
pub fn is_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::FORBIDDEN, "refused"), "{answer:?}");
}

impl World {
    pub async fn settled_as(&self, id: &str, state: &str) {
        let message = async || self.message(id).await;
        eventually(message, |message| message["state"] == state).await;
    }
}
