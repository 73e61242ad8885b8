//! Changes of properties, as they are announced: all that change together in one signal.

use std::collections::HashMap;

use zbus::fdo::Properties;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Variant};

use super::PATH;
use crate::desk::{Desk, Status};

/// Properties by their names.
pub(super) type Values = HashMap<&'static str, Variant<'static>>;

/// Emits one `PropertiesChanged` per change of the status, so that the properties of an interface never disagree. Returns when the daemon is
/// gone.
pub(super) async fn announce(
    connection: &Connection,
    desk: &Desk,
    interface: &'static str,
    properties: fn(&Status) -> Values,
) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let mut status = desk.status();
    // Nothing counts as announced at first: a client may have read the properties before this began.
    let mut announced = HashMap::new();
    loop {
        let current = properties(&status.borrow_and_update());
        let changed: HashMap<_, _> = current
            .iter()
            .filter(|(name, value)| announced.get(*name) != Some(*value))
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        if !changed.is_empty() {
            let interface = InterfaceName::from_static_str_unchecked(interface);
            Properties::properties_changed(&emitter, interface, changed, Default::default())
                .await?;
        }
        announced = current;
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}
