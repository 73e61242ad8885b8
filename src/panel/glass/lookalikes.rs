//! The OLEDs of 128x64 pixels that are sold for each other. A module tells by its status which controller it has; that one is set up, with a
//! remark where the board's description names the other.

use holdfast_core::CauseCode;

use super::{
    Model, Opened, QUICK,
    oled::{Oled, Told},
    sh110x, ssd1306,
};
use crate::{
    panel::frame::{Format, PLAIN},
    wires::{Display, Driver, Wires},
};

/// 0.96".
pub(super) const SSD1306: Model = Model {
    driver: Driver {
        name: "ssd1306",
        needs: &[],
    },
    format: Format {
        pitch_um: 170,
        ..PLAIN
    },
    pace: QUICK,
    keeps: false,
    dims: true,
    open: open_ssd1306,
};

/// 2.42". It has no charge pump, and takes the command for it as nothing.
pub(super) const SSD1309: Model = Model {
    driver: Driver {
        name: "ssd1309",
        needs: &[],
    },
    format: Format {
        pitch_um: 430,
        ..PLAIN
    },
    ..SSD1306
};

/// 1.3".
pub(super) const SH1106: Model = Model {
    driver: Driver {
        name: "sh1106",
        needs: &[],
    },
    format: Format {
        pitch_um: 230,
        ..PLAIN
    },
    open: open_sh1106,
    ..SSD1306
};

fn open_ssd1306(wires: &dyn Wires, display: &Display) -> Opened {
    let oled = Oled::open(wires, display)?;
    if oled.told == Told::Sh1106 {
        return sh110x::sh1106(oled, display, Some(CauseCode::DisplayIsSh1106));
    }
    ssd1306::set_up(oled, display, None)
}

fn open_sh1106(wires: &dyn Wires, display: &Display) -> Opened {
    let oled = Oled::open(wires, display)?;
    if oled.told == Told::Ssd1306 {
        return ssd1306::set_up(oled, display, Some(CauseCode::DisplayIsSsd1306));
    }
    sh110x::sh1106(oled, display, None)
}
