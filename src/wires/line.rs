//! A button's lines, by the first of the ways its description names that opens them.

use super::{Backend, Button, Line, WireError, cdev, registers};

/// Opens a button's lines.
pub(super) fn open(button: &Button) -> Result<Box<dyn Line>, WireError> {
    first(&button.backends, |backend| match backend {
        Backend::Cdev => cdev::watch(button),
        Backend::Rppal => registers::watch(button),
    })
    .unwrap_or_else(|| Err(WireError::no_line(&button.lines)))
}

/// Tries one way after the other; the first failure counts, but for a way that this kernel does not have.
fn first<T>(
    backends: &[Backend],
    mut open: impl FnMut(Backend) -> Result<T, WireError>,
) -> Option<Result<T, WireError>> {
    let mut failure = None;
    for backend in backends {
        match open(*backend) {
            Ok(line) => return Some(Ok(line)),
            Err(error) => {
                if !matches!(failure, None | Some(Err(WireError::NoRegisters))) {
                    continue;
                }
                failure = Some(Err(error));
            }
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_maps_no_registers_is_named_unless_there_is_another_way() {
        let failure = |backends: &[Backend]| {
            let button = Button {
                backends: backends.into(),
                ..Button::default()
            };
            open(&button).err()
        };
        let alone = failure(&[Backend::Rppal]);
        assert!(matches!(alone, Some(WireError::NoRegisters)), "{alone:?}");
        for both in [
            [Backend::Rppal, Backend::Cdev],
            [Backend::Cdev, Backend::Rppal],
        ] {
            let failed = failure(&both);
            assert!(matches!(failed, Some(WireError::NoLine(_))), "{failed:?}");
        }
    }

    #[test]
    fn ways_are_tried_in_the_order_of_the_description_until_one_opens() {
        const BOTH: [Backend; 2] = [Backend::Cdev, Backend::Rppal];
        let tried = |opens: Option<Backend>| {
            let mut tried = Vec::new();
            let opened = first(&BOTH, |backend| {
                tried.push(backend);
                let gone = WireError::line("chip:1", "taken");
                (opens == Some(backend)).then_some(backend).ok_or(gone)
            });
            (tried, opened.unwrap().ok())
        };
        assert_eq!(
            tried(Some(Backend::Cdev)),
            (vec![Backend::Cdev], Some(Backend::Cdev))
        );
        assert_eq!(
            tried(Some(Backend::Rppal)),
            (BOTH.into(), Some(Backend::Rppal))
        );
        assert_eq!(tried(None), (BOTH.into(), None));
        let reason = first(&BOTH, |backend| {
            Err::<(), _>(WireError::line(format!("{backend:?}"), "taken"))
        });
        let reason = reason.unwrap().unwrap_err().to_string();
        assert!(reason.contains("Cdev"), "{reason}");
    }
}
