//! Answers: JSON both ways, and an error that says what to do.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::server::LabError;

/// The answer to a call.
pub type Answer<T> = Result<Json<T>, Refusal>;

/// Wraps what was found.
pub fn found<T: Serialize>(value: T) -> Answer<T> {
    Ok(Json(value))
}

/// Why a call was not carried out.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    /// The call itself is wrong.
    pub fn bad(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: error.into(),
        }
    }

    /// There is nothing at this address.
    pub fn nothing_here(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::NOT_FOUND,
            error: error.into(),
        }
    }
}

impl From<LabError> for Refusal {
    fn from(error: LabError) -> Self {
        let status = match &error {
            LabError::NoSuchPhone | LabError::NoSuchDevice | LabError::NoSuchGroup => {
                StatusCode::NOT_FOUND
            }
            LabError::PhoneExists
            | LabError::NobodyShows(_)
            | LabError::RefExpired
            | LabError::QrOfAnother
            | LabError::ClientRefused
            | LabError::ClientGone
            | LabError::Refused(_) => StatusCode::CONFLICT,
            LabError::BadAddress
            | LabError::NoSuchFault(_)
            | LabError::FaultNever
            | LabError::Phone(_) => StatusCode::BAD_REQUEST,
            LabError::Timeout(..) => StatusCode::REQUEST_TIMEOUT,
            LabError::Listen(_)
            | LabError::NotLoopback
            | LabError::State { .. }
            | LabError::NoMedia => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal {
            status,
            error: error.to_string(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error }))).into_response()
    }
}

/// The body of a call. Unlike axum's own it answers a bad one in JSON and asks for no header that `curl -d` leaves out.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error| Refusal::bad(error.body_text()))?;
        match Json::<T>::from_bytes(&bytes) {
            Ok(Json(body)) => Ok(Body(body)),
            Err(JsonRejection::JsonDataError(error)) => Err(Refusal::bad(error.body_text())),
            Err(error) => Err(Refusal::bad(format!(
                "{}; send one JSON object, as shown in tests/lab/README.md",
                error.body_text()
            ))),
        }
    }
}
