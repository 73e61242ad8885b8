//! What goes wrong is written down, with what is done about it.

use holdfast_core::Effect;
use holdfast_medium::DataDir;

use crate::history::Incidents;

/// Writes down what an effect does about what is wrong.
pub(super) fn note(incidents: &mut Incidents, effect: &Effect) {
    match (effect, deed(effect)) {
        // It comes without a cause: the session is well.
        (Effect::Renegotiate { .. }, Some(deed)) => incidents.remarks(&deed),
        (_, Some(deed)) => incidents.does(&deed),
        (_, None) => {}
    }
}

fn deed(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Repair(_) => "had the keys repaired".to_owned(),
        Effect::Renegotiate { .. } => "had a contact make a new session".to_owned(),
        Effect::Retire(order) => format!("retired {}", order.old),
        Effect::Restore { from, .. } => format!("brought {from} back"),
        Effect::DropOldestArchive => "removed the oldest archive".to_owned(),
        Effect::Disconnect => "closed the connection".to_owned(),
        Effect::Connect => "connected".to_owned(),
        Effect::Pair => "asked for a code".to_owned(),
        Effect::SelfTest => "tested the connection".to_owned(),
        _ => return None,
    })
}

/// The log of what went wrong. Nothing rests on it.
pub(super) fn open(data: &DataDir) -> Option<Incidents> {
    let opened = Incidents::open(data);
    if let Err(error) = &opened {
        tracing::warn!("what goes wrong cannot be written down: {error}");
    }
    opened.ok()
}
