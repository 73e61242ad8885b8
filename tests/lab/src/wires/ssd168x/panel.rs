//! The e-papers with these controllers: their glass, and what their makers stored in them.

/// A panel: its glass, and what its maker stored in it.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Columns and rows of the glass, as the controller counts them.
    pub glass: (usize, usize),
    /// Bytes of a row of the memory.
    pub stride: usize,
    /// A waveform for partial refreshes is stored in it.
    pub partial: bool,
    /// What is stored in it is for a panel of three colours, too: what is set in the second memory is no black and no white.
    pub colours: bool,
    /// Its first column is wired to the controller's ninth.
    pub shifted: bool,
    /// Its rows run from left to right as it lies before one; else from bottom to top.
    pub landscape: bool,
}

/// Waveshare's 2.13" V3, and with other sizes its kin.
pub const EPD2IN13_V3: Panel = Panel {
    glass: (122, 250),
    stride: 22,
    partial: false,
    colours: false,
    shifted: true,
    landscape: false,
};
/// Waveshare's 2.13" V4.
pub const EPD2IN13_V4: Panel = Panel {
    partial: true,
    ..EPD2IN13_V3
};
/// Waveshare's 2.9" V2.
pub const EPD2IN9_V2: Panel = Panel {
    glass: (128, 296),
    ..EPD2IN13_V3
};
/// Waveshare's 4.2" V2.
pub const EPD4IN2_V2: Panel = Panel {
    glass: (400, 300),
    stride: 50,
    partial: true,
    colours: true,
    shifted: false,
    landscape: true,
};
