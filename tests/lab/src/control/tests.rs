use std::net::SocketAddr;

use serde_json::{Value, json};

use super::*;
use crate::server::LabConfig;

/// A control server and a client for it.
struct Remote {
    control: Control,
    lab: Lab,
}

impl Remote {
    async fn start() -> Remote {
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let control = Control::start(lab.clone(), SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        Remote { control, lab }
    }

    /// Carries out one call and returns status and body.
    async fn call(&self, method: &'static str, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.control.url());
        let body = body.to_owned();
        let call = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .build()
                .into();
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(url)
                .body(body)
                .unwrap();
            let mut response = agent.run(request).unwrap();
            let status = response.status().as_u16();
            (status, response.body_mut().read_json().unwrap())
        });
        call.await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.call("POST", path, &body.to_string()).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The error of a call that must fail with this status.
    async fn refused(&self, wanted: u16, method: &'static str, path: &str, body: &str) -> String {
        let (status, body) = self.call(method, path, body).await;
        assert_eq!(status, wanted, "{method} {path}: {body}");
        body["error"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn phones_talk_and_the_ledger_is_read() {
    let remote = Remote::start().await;
    let about = remote.get("/").await;
    assert_eq!(about["url"], remote.lab.url());
    assert_eq!(about["root_key"].as_str().unwrap().len(), 64);

    for (number, name) in [("15550000001", "Ada"), ("15550000002", "Bob")] {
        let made = remote
            .post("/phones", json!({ "number": number, "name": name }))
            .await;
        assert_eq!(made["phone"], number);
    }
    assert_eq!(remote.get("/phones").await.as_array().unwrap().len(), 2);
    assert_eq!(remote.get("/phones/15550000001/devices").await, json!([]));

    let sent = remote
        .post(
            "/phones/15550000001/send",
            json!({ "to": "15550000002", "text": "hello" }),
        )
        .await;
    let received = remote
        .get("/phones/15550000002/inbox?text=hello&wait_ms=10000")
        .await;
    assert_eq!(received[0]["id"], sent["id"]);

    let group = remote
        .post(
            "/groups",
            json!({ "owner": "15550000001", "name": "Two", "members": ["15550000002"] }),
        )
        .await;
    assert!(group["group"].as_str().unwrap().ends_with("@g.us"));

    assert_eq!(remote.get("/ledger/crimes").await, json!([]));
    let entries = remote.get("/ledger/entries?from=0&wait_ms=0").await;
    let dump = remote.get("/ledger").await;
    assert_eq!(dump["entries"], entries);

    let faults = remote.get("/faults").await;
    assert!(faults.as_array().unwrap().contains(&json!("bad-mac")));
    remote
        .post(
            "/faults",
            json!({ "fault": "pair-error", "target": "linking", "times": 2, "nth": 3 }),
        )
        .await;
}

#[tokio::test]
async fn a_bad_call_is_answered_with_what_to_do() {
    let remote = Remote::start().await;
    remote
        .post("/phones", json!({ "number": "15550000001", "name": "Ada" }))
        .await;
    let known = "/phones/15550000001";
    let again = r#"{"number":"15550000001","name":"Ada"}"#;
    let no_fault = r#"{"fault":"no-such","target":"linking"}"#;
    let no_device = r#"{"fault":"bad-mac","target":"15550000001:9@s.whatsapp.net"}"#;
    let no_target = r#"{"fault":"bad-mac","target":"everybody"}"#;
    let neither = r#"{"to":"15550000001"}"#;
    let no_image = r#"{"to":"15550000001","image":"not base64"}"#;
    let surplus = r#"{"number":"15550000002","name":"Bob","colour":"red"}"#;
    for (status, method, path, body) in [
        (404, "GET", "/no-such", ""),
        (400, "DELETE", "/phones", ""),
        (400, "POST", "/phones", ""),
        (400, "POST", "/phones", "{"),
        (400, "POST", "/phones", "{}"),
        (400, "POST", "/phones", surplus),
        (400, "POST", "/phones", r#"{"number":"abc","name":"Ada"}"#),
        (409, "POST", "/phones", again),
        (404, "GET", "/phones/15550000009/devices", ""),
        (400, "GET", &format!("{known}/inbox?wait_ms=soon"), ""),
        (408, "GET", &format!("{known}/inbox?text=never"), ""),
        (400, "POST", &format!("{known}/send"), neither),
        (400, "POST", &format!("{known}/send"), no_image),
        (404, "DELETE", "/devices/15550000001:9@s.whatsapp.net", ""),
        (400, "DELETE", "/devices/nobody", ""),
        (400, "POST", "/faults", no_fault),
        (400, "POST", "/faults", no_target),
        (404, "POST", "/faults", no_device),
    ] {
        let error = remote.refused(status, method, path, body).await;
        assert!(!error.is_empty());
    }
    let (status, _) = remote
        .call("POST", &format!("{known}/scan"), r#"{"qr":"nonsense"}"#)
        .await;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test]
async fn it_listens_on_loopback_alone() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let open = Control::start(lab.clone(), SocketAddr::from(([0, 0, 0, 0], 0))).await;
    assert!(matches!(open, Err(ControlError::NotLoopback(_))));

    let control = Control::start(lab.clone(), SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let taken = Control::start(lab, control.address).await;
    assert!(matches!(taken, Err(ControlError::Listen { .. })));
}
