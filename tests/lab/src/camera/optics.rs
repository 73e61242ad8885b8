//! The optics of a phone in front of a glass: from pixels of a known size to a photograph with perspective, blur and noise.
//!
//! A model: it has no glare, no rolling shutter and no autofocus, so what it reads a phone may still not; what it does not read no
//! phone will.

use std::ops::RangeInclusive;

use holdfast::panel::{Frame, Ground};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// The camera's frame, pixels across, and half of what it sees of the world: 65 degrees of a phone's main camera.
const ACROSS: f64 = 1920.0;
const HALF_FIELD: f64 = 65.0 / 2.0 * std::f64::consts::PI / 180.0;
/// How crooked a hand holds a phone, degrees: in the plane of the glass, and out of it.
const TURN: f64 = 4.0;
const TILT: f64 = 8.0;
/// Nearer than this a phone does not focus, millimetres.
const FOCUS: f64 = 80.0;
/// The blur of a lens in focus, its sensor's colour filter included, and what each millimetre too near adds; pixels of deviation.
const BLUR: f64 = 1.0;
const BLUR_PER_MM: f64 = 0.06;
/// What noise a phone's own filter leaves indoors, its deviation of 255 levels. ZXing takes an even ground for one by its blocks of 8 x 8
/// pixels that span less than 24 levels (`HybridBinarizer`): a phone whose preview has twice this noise reads no large code with it.
const NOISE: f64 = 3.0;
/// Where light and dark end up on the sensor.
const DARK: f64 = 28.0;
const LIGHT: f64 = 205.0;
/// What of a pixel's width lights up; between pixels it is dark.
const LIT: f64 = 0.85;
/// What is seen around the glass, millimetres.
const AROUND: f64 = 4.0;
/// Rays to a camera pixel, in each direction.
const RAYS: usize = 3;

/// How a photograph is taken.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    /// From the lens to the glass, millimetres.
    pub distance_mm: u32,
}

/// A photograph of a glass and a little around it.
pub struct Photo {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Brightness, row by row from the top; 255 is white.
    pub grey: Vec<u8>,
}

impl Photo {
    /// A photograph of these pixels, by column and row.
    pub fn of(width: u32, height: u32, grey: impl Fn(u32, u32) -> u8) -> Self {
        let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self {
            width,
            height,
            grey: points.map(|(x, y)| grey(x, y)).collect(),
        }
    }
}

impl Shot {
    /// Takes a photograph of a glass, as crooked and as noisy as the dice fall.
    pub fn take(self, glass: &Frame, dice: &mut StdRng) -> Photo {
        let format = glass.format();
        let focal = ACROSS / 2.0 / HALF_FIELD.tan();
        let distance = f64::from(self.distance_mm);
        let mut crooked = |most: f64| dice.random_range(-most..=most).to_radians();
        let view = View::new(
            focal,
            distance,
            crooked(TURN),
            [crooked(TILT), crooked(TILT)],
        );
        let half = |pixels: u32| f64::from(pixels * format.pitch_um) / 2000.0;
        let (half_width, half_height) = (half(format.width), half(format.height));
        let corners = [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)]
            .map(|(x, y)| view.project(x * (half_width + AROUND), y * (half_height + AROUND)));
        let columns = span(corners.map(|(x, _)| x));
        let rows = span(corners.map(|(_, y)| y));
        let seen = |x: f64, y: f64| {
            let (x_mm, y_mm) = view.back(x, y);
            brightness(glass, x_mm + half_width, y_mm + half_height)
        };
        let sharp: Vec<f64> = rows
            .clone()
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .map(|(x, y)| averaged(x, y, seen))
            .collect();
        let (width, height) = (columns.count(), rows.count());
        let too_near = (FOCUS - distance).max(0.0);
        let blurred = blurred(&sharp, width, height, BLUR + BLUR_PER_MM * too_near);
        let grey = blurred
            .iter()
            .map(|light| DARK + (LIGHT - DARK) * light + NOISE * normal(dice))
            .map(|level| level.clamp(0.0, 255.0) as u8)
            .collect();
        Photo {
            width: width as u32,
            height: height as u32,
            grey,
        }
    }
}

/// How bright a place on a glass or around it is, from 0 to 1; millimetres from the top left.
fn brightness(glass: &Frame, x_mm: f64, y_mm: f64) -> f64 {
    let format = glass.format();
    // Paper makes no light of its own: its pixels touch, and its bezel is as light as its ground.
    let is_paper = format.ground == Ground::Light;
    let pixel = f64::from(format.pitch_um) / 1000.0;
    let (x, y) = (x_mm / pixel, y_mm / pixel);
    let is_inside =
        (0.0..f64::from(format.width)).contains(&x) && (0.0..f64::from(format.height)).contains(&y);
    if !is_inside {
        return f64::from(u8::from(is_paper));
    }
    let gap = if is_paper { 0.0 } else { (1.0 - LIT) / 2.0 };
    let is_lit = |at: f64| (gap..=1.0 - gap).contains(&at.fract());
    let is_light = glass.lit(x as u32, y as u32) && is_lit(x) && is_lit(y);
    f64::from(u8::from(is_light))
}

/// A camera's view of a plane: a rotation, and how far away it is.
struct View {
    focal: f64,
    distance: f64,
    /// The plane's own axes, as the camera has them.
    right: [f64; 3],
    down: [f64; 3],
}

impl View {
    fn new(focal: f64, distance: f64, turn: f64, [nod, shake]: [f64; 2]) -> Self {
        let (turn_sin, turn_cos) = turn.sin_cos();
        let tilted = |[x, y]: [f64; 2]| {
            let (nod_sin, nod_cos) = nod.sin_cos();
            let (shake_sin, shake_cos) = shake.sin_cos();
            let (y, z) = (y * nod_cos, y * nod_sin);
            [
                x * shake_cos + z * shake_sin,
                y,
                z * shake_cos - x * shake_sin,
            ]
        };
        Self {
            focal,
            distance,
            right: tilted([turn_cos, turn_sin]),
            down: tilted([-turn_sin, turn_cos]),
        }
    }

    /// From millimetres on the plane to the camera's pixels, both counted from the middle.
    fn project(&self, x: f64, y: f64) -> (f64, f64) {
        let at = |axis: usize| x * self.right[axis] + y * self.down[axis];
        let depth = self.distance + at(2);
        (self.focal * at(0) / depth, self.focal * at(1) / depth)
    }

    /// The other way: which place of the plane a pixel sees.
    fn back(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = (x / self.focal, y / self.focal);
        let ([a, c, e], [b, d, f]) = (self.right, self.down);
        // right.x * u + down.x * v = x * depth, and so for y, where depth = distance + right.z * u + down.z * v.
        let (a, b, c, d) = (a - x * e, b - x * f, c - y * e, d - y * f);
        let whole = a * d - b * c;
        let (x, y) = (x * self.distance, y * self.distance);
        ((x * d - b * y) / whole, (a * y - x * c) / whole)
    }
}

fn span(of: [f64; 4]) -> RangeInclusive<i32> {
    let (least, most) = of.iter().fold((f64::MAX, f64::MIN), |(least, most), at| {
        (least.min(*at), most.max(*at))
    });
    least.floor() as i32..=most.ceil() as i32
}

/// What a camera pixel gathers: the mean of a few rays.
fn averaged(x: i32, y: i32, seen: impl Fn(f64, f64) -> f64) -> f64 {
    let part = |ray: usize| (ray as f64 + 0.5) / RAYS as f64 - 0.5;
    let rays = (0..RAYS).flat_map(|row| (0..RAYS).map(move |column| (column, row)));
    let sum: f64 = rays
        .map(|(column, row)| seen(f64::from(x) + part(column), f64::from(y) + part(row)))
        .sum();
    sum / (RAYS * RAYS) as f64
}

/// Spreads each pixel by a normal distribution, along rows and then along columns.
fn blurred(sharp: &[f64], width: usize, height: usize, deviation: f64) -> Vec<f64> {
    let reach = (deviation * 3.0).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|at| (-(at * at) as f64 / (2.0 * deviation * deviation)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    let spread = |pixels: &[f64], step: (isize, isize)| -> Vec<f64> {
        let at = |x: isize, y: isize| {
            let (x, y) = (
                x.clamp(0, width as isize - 1),
                y.clamp(0, height as isize - 1),
            );
            pixels[y as usize * width + x as usize]
        };
        (0..height as isize)
            .flat_map(|y| (0..width as isize).map(move |x| (x, y)))
            .map(|(x, y)| {
                let parts = weights.iter().zip(-reach..);
                parts
                    .map(|(weight, by)| weight * at(x + by * step.0, y + by * step.1))
                    .sum::<f64>()
                    / sum
            })
            .collect()
    };
    spread(&spread(sharp, (1, 0)), (0, 1))
}

/// A number of the normal distribution: the sum of twelve of an even one (Irwin and Hall).
fn normal(dice: &mut impl Rng) -> f64 {
    (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use holdfast::panel::{Format, PLAIN};
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_a_pixel_sees_is_what_is_projected_into_it() {
        let view = View::new(1500.0, 100.0, 0.07, [-0.1, 0.12]);
        for (x, y) in [(0.0, 0.0), (12.5, -3.0), (-8.0, 20.0)] {
            let (u, v) = view.project(x, y);
            let (back_x, back_y) = view.back(u, v);
            assert!(
                (back_x - x).abs() < 1e-9 && (back_y - y).abs() < 1e-9,
                "{x} {y}"
            );
        }
    }

    #[test]
    fn a_photograph_has_the_glass_in_its_middle_and_the_dark_around_it() {
        let format = Format {
            pitch_um: 170,
            ..PLAIN
        };
        let glass = Frame::of_levels(format, |_, _| format.depth.lit());
        let photo = Shot { distance_mm: 100 }.take(&glass, &mut StdRng::seed_from_u64(7));
        let at = |x: u32, y: u32| photo.grey[(y * photo.width + x) as usize];
        let mean = |x: u32, y: u32| {
            let near = (0..100).map(|at_near| u32::from(at(x + at_near % 10, y + at_near / 10)));
            near.sum::<u32>() / 100
        };
        assert!(mean(photo.width / 2, photo.height / 2) > 130);
        assert!(mean(2, 2) < 60);
    }
}
