//! The button: sends each edge of its line.

use std::{sync::Arc, thread};

use holdfast_core::Part;

use super::{Button, Input, Inputs, Line, WireError, Wires, health::Health};

/// Sends every edge of the button's line to `inputs`, from a thread that ends with the process. A finger that was down
/// before the line was open has not pressed it.
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

/// Sends edges until the line fails.
fn watch(mut line: Box<dyn Line>, inputs: &Inputs) -> WireError {
    loop {
        match line.edge() {
            Ok(edge) => {
                let input = if edge.down {
                    Input::Pressed
                } else {
                    Input::Released
                };
                // Without a listener the process is about to end.
                let _ = inputs.send((edge.at, input));
            }
            Err(error) => return error,
        }
    }
}
