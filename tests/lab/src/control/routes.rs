//! The calls.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Answer, Body, Refusal, found};
use crate::ledger::{Crime, Dump, Entry};
use crate::phone::inbox::{Content, Received};
use crate::server::{DeviceId, DeviceInfo, Fault, Lab, PhoneId, Target, When};

/// The longest a call may wait for something to happen.
const LONGEST_WAIT_MS: u64 = 600_000;

pub fn router(lab: Lab) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/phones", get(phones).post(create_phone))
        .route("/phones/{phone}/devices", get(devices))
        .route("/phones/{phone}/inbox", get(inbox))
        .route("/phones/{phone}/scan", post(scan))
        .route("/phones/{phone}/code", post(enter_code))
        .route("/phones/{phone}/send", post(send))
        .route("/devices/{device}", delete(unlink))
        .route("/devices/{device}/questions/{namespace}", get(questions))
        .route("/groups", post(create_group))
        .route("/faults", get(faults).post(inject))
        .route("/ledger", get(ledger))
        .route("/ledger/entries", get(entries))
        .route("/ledger/crimes", get(crimes))
        .fallback(async || {
            Refusal::nothing_here("there is no such call; tests/lab/README.md shows them all")
        })
        .method_not_allowed_fallback(async || {
            Refusal::bad("this call takes another method; tests/lab/README.md shows which")
        })
        .with_state(lab)
}

async fn about(State(lab): State<Lab>) -> Json<Value> {
    let root_key = hex::encode(lab.root_key());
    Json(json!({ "url": lab.url(), "root_key": root_key }))
}

async fn phones(State(lab): State<Lab>) -> Json<Vec<PhoneId>> {
    Json(lab.phones().await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPhone {
    number: String,
    name: String,
}

async fn create_phone(State(lab): State<Lab>, Body(new): Body<NewPhone>) -> Answer<Value> {
    let phone = lab.create_phone(&new.number, &new.name).await?;
    found(json!({ "phone": phone }))
}

async fn devices(State(lab): State<Lab>, Path(phone): Path<PhoneId>) -> Answer<Vec<DeviceInfo>> {
    found(lab.devices(&phone).await?)
}

/// What an inbox is asked for.
#[derive(Deserialize)]
struct Awaited {
    /// Wait for a message with this text.
    text: Option<String>,
    /// At most so long.
    #[serde(default)]
    wait_ms: u64,
}

async fn inbox(
    State(lab): State<Lab>,
    Path(phone): Path<PhoneId>,
    query: Result<Query<Awaited>, axum::extract::rejection::QueryRejection>,
) -> Answer<Vec<Received>> {
    let Query(awaited) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let Some(text) = awaited.text else {
        return found(lab.inbox(&phone).await?);
    };
    let says =
        |received: &Received| matches!(&received.content, Content::Text(said) if *said == text);
    let received = lab
        .wait_inbox(&phone, deadline(awaited.wait_ms), says)
        .await?;
    found(vec![received])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scanned {
    qr: String,
}

#[derive(Serialize)]
struct Linked {
    device: DeviceId,
}

async fn scan(
    State(lab): State<Lab>,
    Path(phone): Path<PhoneId>,
    Body(scanned): Body<Scanned>,
) -> Answer<Linked> {
    let device = lab.scan_qr(&phone, &scanned.qr).await?;
    found(Linked { device })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    code: String,
}

async fn enter_code(
    State(lab): State<Lab>,
    Path(phone): Path<PhoneId>,
    Body(entered): Body<Entered>,
) -> Answer<Linked> {
    let device = lab.enter_code(&phone, &entered.code).await?;
    found(Linked { device })
}

/// A text, or an image in base64 with or without a caption.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToSend {
    to: String,
    text: Option<String>,
    image: Option<String>,
    caption: Option<String>,
}

async fn send(
    State(lab): State<Lab>,
    Path(phone): Path<PhoneId>,
    Body(message): Body<ToSend>,
) -> Answer<Value> {
    let id = match (message.text, message.image) {
        (Some(text), None) => lab.send_text(&phone, &message.to, &text).await?,
        (None, Some(image)) => {
            let image = STANDARD
                .decode(image)
                .map_err(|error| Refusal::bad(format!("the image is no base64: {error}")))?;
            let caption = message.caption.as_deref();
            lab.send_image(&phone, &message.to, &image, caption).await?
        }
        _ => return Err(Refusal::bad("send either a `text` or an `image`")),
    };
    found(json!({ "id": id }))
}

async fn unlink(State(lab): State<Lab>, Path(device): Path<String>) -> Answer<Value> {
    lab.unlink(&device.parse()?).await?;
    found(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    owner: PhoneId,
    name: String,
    members: Vec<PhoneId>,
}

async fn create_group(State(lab): State<Lab>, Body(new): Body<NewGroup>) -> Answer<Value> {
    let group = lab
        .create_group(&new.owner, &new.name, &new.members)
        .await?;
    found(json!({ "group": group.to_string() }))
}

async fn questions(
    State(lab): State<Lab>,
    Path((device, namespace)): Path<(String, String)>,
) -> Answer<Value> {
    let device = device.parse()?;
    found(json!({ "asked": lab.questions(&device, &namespace) }))
}

async fn faults() -> Json<Vec<&'static str>> {
    Json(Fault::ALL.iter().map(|fault| fault.name()).collect())
}

/// A fault to come. `target` is a device, or `linking` for the next client that wants to be linked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Injection {
    fault: String,
    target: String,
    #[serde(default = "once")]
    times: u32,
    /// The occasion to strike at first, counted from 1.
    nth: Option<u32>,
}

fn once() -> u32 {
    1
}

async fn inject(State(lab): State<Lab>, Body(injection): Body<Injection>) -> Answer<Value> {
    let fault: Fault = injection.fault.parse()?;
    let target = match injection.target.as_str() {
        "linking" => Target::Linking,
        device => Target::Device(device.parse::<DeviceId>()?),
    };
    let when = injection.nth.map_or(When::Now, When::Nth);
    lab.inject(target, fault, when, injection.times).await?;
    found(json!({}))
}

async fn ledger(State(lab): State<Lab>) -> Json<Dump> {
    Json(lab.ledger().dump())
}

/// Which entries are asked for.
#[derive(Deserialize)]
struct Since {
    /// The first position of interest.
    #[serde(default)]
    from: u64,
    /// How long to wait for one.
    #[serde(default)]
    wait_ms: u64,
}

async fn entries(
    State(lab): State<Lab>,
    query: Result<Query<Since>, axum::extract::rejection::QueryRejection>,
) -> Answer<Vec<Entry>> {
    let Query(since) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let ledger = lab.ledger();
    ledger
        .wait_for(since.from, deadline(since.wait_ms), |_| true)
        .await;
    found(ledger.entries(since.from))
}

async fn crimes(State(lab): State<Lab>) -> Json<Vec<Crime>> {
    Json(lab.ledger().crimes())
}

fn deadline(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms.min(LONGEST_WAIT_MS))
}
