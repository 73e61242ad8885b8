//! An ACPI table that tells a virtual machine's kernel of an SPI device behind a USB bridge: on a PC that is how it comes to have a `/dev/spidev*`.
//! After the ACPI specification, 6.5, whose chapters are in brackets.

/// The slot of the USB host controller in `pc`, and its name there: `S` and the slot with its function, in hexadecimal.
pub(super) const USB_SLOT: &str = "0x10";
const USB_NAME: &[u8; 4] = b"S80_";

/// Ports of the controller, of either speed.
const PORTS: u8 = 8;

/// What `usb-ljca` takes for its SPI bus (`ljca_spi_hids`), and spidev for a device of its (`spidev_acpi_ids`).
const BUS: &str = "INTC1091";
const DEVICE: &str = "SPT0001";

/// The bus' path, as a device's resource names it.
const PATH: &str = "\\_SB.PCI0.S80.RHUB.SPI0";

/// The definition block of a secondary table (5.2.11.2), without its header: the controller's hub, its ports, for the kernel looks for a bus only
/// where the bridge's own port is described, and the bus with its device.
pub(super) fn table() -> Vec<u8> {
    let ports = (1..=PORTS).flat_map(|port| {
        let name = [b'P', b'R', b'T', b'0' + port];
        device(&name, &[named(b"_ADR", &[BYTE, port])])
    });
    let on_bus = device(
        b"EPD0",
        &[
            named(b"_HID", &text(DEVICE)),
            named(b"_CRS", &buffer(&connection())),
        ],
    );
    let bus = device(b"SPI0", &[named(b"_HID", &text(BUS)), on_bus]);
    let hub = device(b"RHUB", &[named(b"_ADR", &[ZERO]), ports.collect(), bus]);
    // From the root (`\`), three names.
    let controller = [b"\\\x2f\x03_SB_PCI0", &USB_NAME[..]].concat();
    package(&[SCOPE], &[controller, hub].concat())
}

// Words of the machine language (20.3).
const ZERO: u8 = 0x00;
const NAME: u8 = 0x08;
const BYTE: u8 = 0x0a;
const TEXT: u8 = 0x0d;
const SCOPE: u8 = 0x10;
const BUFFER: u8 = 0x11;
const DEVICE_WORD: [u8; 2] = [0x5b, 0x82];

/// A word with all that belongs to it, and the length of that with its own bytes: six bits alone, or four and two times eight more (20.2.4).
fn package(word: &[u8], content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ ..63 => vec![short as u8 + 1],
        long => {
            let all = long + 3;
            vec![
                0x80 | (all & 0x0f) as u8,
                (all >> 4) as u8,
                (all >> 12) as u8,
            ]
        }
    };
    [word, &length, content].concat()
}

fn device(name: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    package(&DEVICE_WORD, &[&name[..], &parts.concat()].concat())
}

fn named(name: &[u8; 4], value: &[u8]) -> Vec<u8> {
    [&[NAME], &name[..], value].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[TEXT], text.as_bytes(), &[0]].concat()
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    package(&[BUFFER], &[&[BYTE, bytes.len() as u8], bytes].concat())
}

/// The resource of a device on SPI (6.4.3.8.2.2), and the end of the resources (6.4.2.9).
fn connection() -> Vec<u8> {
    const HZ: u32 = 4_000_000;
    // Revision, place among the bus' sources, SPI, a consumer, four wires, revision and length of what is SPI's own.
    let head = [1, 0, 2, 2, 0, 0, 1, 9, 0];
    // Bits of a word, clock phase, polarity, and the chip select.
    let words = [8, 0, 0, 0, 0];
    let content = [&head, &HZ.to_le_bytes()[..], &words, PATH.as_bytes(), &[0]].concat();
    let length = (content.len() as u16).to_le_bytes();
    [&[0x8e], &length[..], &content, &[0x79, 0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_as_many_bytes_as_it_needs() {
        assert_eq!(package(&[SCOPE], &[7; 62])[..3], [SCOPE, 63, 7]);
        assert_eq!(package(&[SCOPE], &[7; 63])[..5], [SCOPE, 0x82, 4, 0, 7]);
    }

    #[test]
    fn the_bus_is_named_where_it_is() {
        let table = table();
        let has = |bytes: &[u8]| table.windows(bytes.len()).any(|part| part == bytes);
        let slot = u8::from_str_radix(&USB_SLOT[2..], 16).unwrap() << 3;
        assert_eq!(USB_NAME[..3], format!("S{slot:02X}").as_bytes()[..]);
        let names: Vec<_> = PATH[1..]
            .split('.')
            .map(|name| format!("{name:_<4}"))
            .collect();
        for name in &names {
            assert!(has(name.as_bytes()), "{name}");
        }
        assert_eq!(names[2].as_bytes(), USB_NAME);
    }
}
