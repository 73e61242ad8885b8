//! A phone's camera in front of the panel: reads a QR from the pixels.

/// How many camera pixels one panel pixel becomes, and how much bezel stands around the glass.
const ZOOM: usize = 4;
const BEZEL: usize = 16;

/// The text of a QR on a 1-bit frame (row by row, eight pixels a byte, leftmost highest, 1 lit), if one can be read.
pub fn read(width: u32, height: u32, bits: &[u8]) -> Option<String> {
    let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
    let lit = |x: usize, y: usize| {
        let at = y * width + x;
        bits.get(at / 8)
            .is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(
        width * ZOOM + 2 * BEZEL,
        height * ZOOM + 2 * BEZEL,
        |x, y| {
            let inside = |at: usize, size: usize| {
                at.checked_sub(BEZEL)
                    .map(|at| at / ZOOM)
                    .filter(|at| *at < size)
            };
            match (inside(x, width), inside(y, height)) {
                (Some(x), Some(y)) if lit(x, y) => 255,
                // The bezel is as dark as an unlit pixel.
                _ => 0,
            }
        },
    );
    image
        .detect_grids()
        .into_iter()
        .find_map(|grid| grid.decode().ok())
        .map(|(_, text)| text)
}
