//! An LJCA, Intel's La Jolla Cove Adapter: a bridge from USB to SPI and GPIO lines, with the simulated display behind it. There is no data
//! sheet of it to be had; what its messages do is after who sends them here, Linux' `drivers/usb/misc/usb-ljca.c`,
//! `drivers/spi/spi-ljca.c` and `drivers/gpio/gpio-ljca.c` as of 6.12, whose names are in brackets.

use embedded_hal::spi::SpiDevice;

use super::simulated::{BACKLIGHT, DATA_COMMAND, Simulated};

/// USB vendor and product (`ljca_table`).
pub const USB_ID: (u16, u16) = (0x8086, 0x0b63);

/// Whom a message is for, and what it asks (`ljca_client_type`, `ljca_mng_cmd`, `LJCA_GPIO_*`, `ljca_spi_cmd`).
mod ask {
    pub const RESET: (u8, u8) = (1, 2);
    pub const LIST_LINES: (u8, u8) = (1, 4);
    pub const LIST_I2C: (u8, u8) = (1, 5);
    pub const LIST_SPI: (u8, u8) = (1, 8);
    pub const SET_UP_LINE: (u8, u8) = (3, 1);
    pub const READ_LINE: (u8, u8) = (3, 2);
    pub const WRITE_LINE: (u8, u8) = (3, 3);
    pub const SET_UP_SPI: (u8, u8) = (5, 1);
    pub const WRITE_SPI: (u8, u8) = (5, 3);
    pub const END_SPI: (u8, u8) = (5, 5);
}

/// The sender waits for an answer, and an answer is one (`LJCA_ACK_FLAG`).
const ACKNOWLEDGE: u8 = 1;
/// A line is an output (`LJCA_GPIO_CONF_OUTPUT`), and low at first (`LJCA_GPIO_CONF_CLR`).
const LOW_OUTPUT: u8 = 1 << 2 | 1 << 4;
/// Lines of the one bank it has.
const LINES: u8 = 8;

/// The adapter. Its lines have the numbers of the simulated wires.
pub struct Ljca {
    wires: Simulated,
}

impl Ljca {
    /// An adapter with these wires on it.
    pub fn new(wires: Simulated) -> Self {
        Self { wires }
    }

    /// Takes one message, and returns what the adapter answers: nothing where it does not know what is asked, or the wires are broken.
    pub fn message(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let &[to, command, flags, length, ref content @ ..] = message else {
            return None;
        };
        let content = content.get(..length.into())?;
        let answer = self.answer((to, command), content)?;
        let head = [to, command, ACKNOWLEDGE, answer.len() as u8];
        (flags & ACKNOWLEDGE != 0).then(|| [&head, &answer[..]].concat())
    }

    fn answer(&mut self, asked: (u8, u8), content: &[u8]) -> Option<Vec<u8>> {
        Some(match (asked, content) {
            (ask::RESET, count) => count.to_vec(),
            // So many lines a bank, one bank: its number, its lines, and a bit for each that there is (`ljca_gpio_descriptor`).
            (ask::LIST_LINES, []) => {
                let there = (DATA_COMMAND..=BACKLIGHT).fold(0_u32, |bits, line| bits | 1 << line);
                [&[LINES, 1, 0, LINES], &there.to_le_bytes()[..]].concat()
            }
            (ask::LIST_I2C, []) => vec![0],
            // One: its number, what it can do and its interrupt, which nobody asks for (`ljca_spi_descriptor`).
            (ask::LIST_SPI, []) => vec![1, 0, 0, 0],
            (ask::SET_UP_LINE, &[1, line, how]) => {
                if how & LOW_OUTPUT == LOW_OUTPUT {
                    self.wires.drive(line.into(), false);
                }
                Vec::new()
            }
            (ask::READ_LINE, &[1, line, _]) => {
                vec![1, line, self.wires.is_high(line.into()).into()]
            }
            (ask::WRITE_LINE, &[1, line, level]) => {
                self.wires.drive(line.into(), level != 0);
                Vec::new()
            }
            (ask::SET_UP_SPI | ask::END_SPI, [_, _, _]) => Vec::new(),
            // Which piece of a transfer it is, and its length; as much came back, which nobody drives.
            (ask::WRITE_SPI, &[piece, length, ref bytes @ ..]) => {
                self.wires.write(bytes.get(..length.into())?).ok()?;
                vec![piece, length]
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bus::Fault;
    use super::super::display;
    use super::super::simulated::{BUSY, POWER, RESET};
    use super::*;

    fn adapter() -> (Ljca, Simulated) {
        let wires = Simulated::new(0, display("epd2in13-v4").unwrap());
        (Ljca::new(wires.clone()), wires)
    }

    /// As `ljca_send` has it: every command ends a message, and waits.
    fn send(ljca: &mut Ljca, (to, command): (u8, u8), content: &[u8]) -> Option<Vec<u8>> {
        let head = [to, command, 1 << 2 | ACKNOWLEDGE, content.len() as u8];
        let answer = ljca.message(&[&head, content].concat())?;
        assert_eq!(answer[..2], head[..2], "`ljca_handle_cmd_ack`");
        assert_eq!(usize::from(answer[3]), answer.len() - 4, "`ljca_recv`");
        Some(answer[4..].to_vec())
    }

    #[test]
    fn the_kernel_finds_five_lines_and_one_bus() {
        let mut ljca = adapter().0;
        let mut asks = |asked, content: &[u8]| send(&mut ljca, asked, content).unwrap();
        assert_eq!(asks(ask::RESET, &[7, 0, 0, 0]), [7, 0, 0, 0]);
        assert_eq!(asks(ask::LIST_LINES, &[]), [8, 1, 0, 8, 0b11_1110, 0, 0, 0]);
        assert_eq!(asks(ask::LIST_I2C, &[]), [0]);
        assert_eq!(asks(ask::LIST_SPI, &[]), [1, 0, 0, 0]);
    }

    #[test]
    fn what_the_kernel_writes_reaches_the_display() {
        let (mut ljca, wires) = adapter();
        // `ljca_gpio_direction_output`: an output that is low, then its level.
        for (line, level) in [(POWER, 1), (RESET, 1), (DATA_COMMAND, 0)] {
            let line = line as u8;
            send(&mut ljca, ask::SET_UP_LINE, &[1, line, LOW_OUTPUT]).unwrap();
            assert!(!wires.is_high(line.into()));
            send(&mut ljca, ask::WRITE_LINE, &[1, line, level]).unwrap();
            assert_eq!(wires.is_high(line.into()), level == 1);
        }
        send(&mut ljca, ask::SET_UP_SPI, &[0, 4, 0]).unwrap();
        // It works at a reset by command (0x12), and the last piece of a transfer says so.
        assert_eq!(
            send(&mut ljca, ask::WRITE_SPI, &[0x40, 1, 0x12]),
            Some(vec![0x40, 1])
        );
        assert_eq!(wires.written(), 1);
        let mut busy = || send(&mut ljca, ask::READ_LINE, &[1, BUSY as u8, 0]).unwrap();
        assert_eq!(busy(), [1, BUSY as u8, 1]);
        assert_eq!(busy(), [1, BUSY as u8, 0]);
        assert!(wires.unknown().is_empty());
    }

    #[test]
    fn what_it_cannot_do_has_no_answer() {
        let (mut ljca, wires) = adapter();
        assert_eq!(
            send(&mut ljca, (5, 2), &[0x40, 2, 1, 0]),
            None,
            "nothing is read"
        );
        assert_eq!(
            send(&mut ljca, ask::WRITE_SPI, &[0x40, 2, 0x12]),
            None,
            "too short"
        );
        assert_eq!(ljca.message(&[1, 2, 5]), None);
        assert_eq!(ljca.message(&[1, 8, 4, 0]), None, "nobody waits");
        wires.set(Fault::Short);
        assert_eq!(send(&mut ljca, ask::WRITE_SPI, &[0x40, 1, 0x12]), None);
    }
}
