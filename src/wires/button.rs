//! The button: sends what the edges of its lines are to it. Any of its keys is the button, and all of them are one.

use std::{collections::BTreeSet, sync::Arc, thread};

use holdfast_core::Part;

use super::{Button, Edge, Input, Inputs, Line, WireError, Wires, health::Health};

/// Sends to `inputs` that the button went down or came up, from a thread that ends with the process. A finger that was down
/// before its lines were open has not pressed it.
pub(crate) fn listen(wires: Arc<dyn Wires>, button: Button, inputs: Inputs) {
    let mut health = Health::new(Part::Button, inputs.clone());
    let watch = move || {
        while !health.is_over() {
            let error = match wires.button(&button) {
                Ok(line) => {
                    health.works(None);
                    watch(line, &inputs)
                }
                Err(error) => error,
            };
            thread::sleep(health.failed(&error));
        }
    };
    let started = thread::Builder::new().name("button".into()).spawn(watch);
    if let Err(error) = started {
        tracing::warn!("{}", WireError::Thread(error));
    }
}

/// Sends what happens until the lines fail.
fn watch(mut line: Box<dyn Line>, inputs: &Inputs) -> WireError {
    let mut down = Down::default();
    loop {
        match line.edge() {
            Ok(edge) => {
                if let Some(input) = down.meaning(edge) {
                    // Without a listener the process is about to end.
                    let _ = inputs.send((edge.at, input));
                }
            }
            Err(error) => return error,
        }
    }
}

/// The keys that are down.
#[derive(Default)]
struct Down(BTreeSet<u32>);

impl Down {
    /// What an edge of one key is to the button: it goes down with the first and comes up with the last. A key that was down
    /// before anybody looked comes up, too.
    fn meaning(&mut self, edge: Edge) -> Option<Input> {
        let was_up = self.0.is_empty();
        if edge.down {
            self.0.insert(edge.key);
            was_up.then_some(Input::Pressed)
        } else {
            self.0.remove(&edge.key);
            self.0.is_empty().then_some(Input::Released)
        }
    }
}
