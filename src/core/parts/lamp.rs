//! The lamp: how bright the glass is, and where the picture lies on it. A self-lit glass ages where it is lit; it is dimmed while nobody
//! looks, and its picture walks by a pixel. The brightness of a QR is the human's choice alone: phones differ in what they can read.

use crate::ground::{MINUTE, Moments, Now};

/// How long a glass that nobody touched stays bright, milliseconds.
const IDLE_MS: u64 = 10 * MINUTE;
/// The same at night.
const NIGHT_MS: u64 = MINUTE;
/// How long the picture stays in one place, milliseconds.
const STEP_MS: u64 = MINUTE;
/// The way of the picture: around the middle, a pixel a step.
const WALK: [Shift; 8] = [
    Shift { x: 1, y: 0 },
    Shift { x: 1, y: 1 },
    Shift { x: 0, y: 1 },
    Shift { x: -1, y: 1 },
    Shift { x: -1, y: 0 },
    Shift { x: -1, y: -1 },
    Shift { x: 0, y: -1 },
    Shift { x: 1, y: -1 },
];

/// How bright a glass is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Light {
    /// To be read by day.
    #[default]
    Full,
    /// To be read by somebody who comes near.
    Dim,
    /// As dark as can still be read.
    Faint,
}

impl Light {
    /// The next darker one; `None` after the darkest.
    fn darker(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::Dim),
            Self::Dim => Some(Self::Faint),
            Self::Faint => None,
        }
    }
}

/// How far the picture lies from its place, pixels to the right and down; at most one each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shift {
    /// To the right.
    pub x: i8,
    /// Down.
    pub y: i8,
}

/// The look of a glass at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// How bright it is.
    pub light: Light,
    /// Where the picture lies.
    pub shift: Shift,
    /// The monotonic millisecond at which that changes by itself; `None`: it does not.
    pub until: Option<u64>,
}

/// The lamp of a page that is shown: tells its look at every moment, until something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Glow {
    /// The glass has no light of its own: nothing is dimmed or moved.
    #[default]
    Steady,
    /// A QR, as bright as the human wants it; it does not move, for its quiet zone is narrow.
    Scan(Light),
    /// A human is asked something, and looks.
    Bright,
    /// Nobody is asked anything: bright until this millisecond, then this dark.
    Rests {
        /// Until when.
        bright_until: u64,
        /// How dark it is then.
        then: Light,
    },
}

impl Glow {
    /// Tells the look at a moment.
    pub fn look(self, now: Now) -> Look {
        let now = now.mono_ms;
        let step = now / STEP_MS;
        let walks = |light| Look {
            light,
            shift: WALK[(step % WALK.len() as u64) as usize],
            until: Some((step + 1).saturating_mul(STEP_MS)),
        };
        match self {
            Self::Steady => Look::default(),
            Self::Scan(light) => Look {
                light,
                ..Look::default()
            },
            Self::Bright => walks(Light::Full),
            Self::Rests { bright_until, .. } if now < bright_until => {
                let look = walks(Light::Full);
                Look {
                    until: look.until.map(|at| at.min(bright_until)),
                    ..look
                }
            }
            Self::Rests { then, .. } => walks(then),
        }
    }
}

/// What the lamp knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lamp {
    /// The glass has a light that can be dimmed.
    dims: bool,
    night: bool,
    /// When somebody touched the button last.
    touched_at: u64,
    /// That woke the glass, and is to do nothing else.
    woken: bool,
    /// The brightness of a QR.
    scan: Light,
}

impl Lamp {
    /// The lamp of a glass whose light can be dimmed, or not.
    pub(crate) fn fit(&mut self, dims: bool, now: u64) {
        self.dims = dims;
        if dims {
            self.touched_at = now;
        }
    }

    /// Night falls, or is over.
    pub(crate) fn night(&mut self, night: bool) {
        self.night = night;
    }

    /// Somebody touches the button, under a page of this kind.
    pub(crate) fn touch(&mut self, glow: Glow, now: u64) {
        let look = glow.look(Now { mono_ms: now });
        self.woken = matches!(glow, Glow::Rests { .. }) && look.light != Light::Full;
        if self.dims {
            self.touched_at = now;
        }
    }

    /// Whether the press under way woke the glass.
    pub(crate) fn was_woken(&self) -> bool {
        self.woken
    }

    /// Makes the QR darker; after the darkest light it is bright again, and that is told by false.
    pub(crate) fn dim_scan(&mut self) -> bool {
        let darker = self.scan.darker().filter(|_| self.dims);
        self.scan = darker.unwrap_or_default();
        darker.is_some()
    }

    /// The lamp of a QR.
    pub(crate) fn scans(&self) -> Glow {
        self.lit(Glow::Scan(self.scan))
    }

    /// The lamp while a human is asked something.
    pub(crate) fn asks(&self) -> Glow {
        self.lit(Glow::Bright)
    }

    /// The lamp while nobody is.
    pub(crate) fn rests(&self) -> Glow {
        let (after, then) = match self.night {
            true => (NIGHT_MS, Light::Faint),
            false => (IDLE_MS, Light::Dim),
        };
        self.lit(Glow::Rests {
            bright_until: self.touched_at.saturating_add(after),
            then,
        })
    }

    fn lit(&self, glow: Glow) -> Glow {
        if self.dims { glow } else { Glow::Steady }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if self.dims {
            moments.since(&mut self.touched_at, IDLE_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    fn look(glow: Glow, mono_ms: u64) -> Look {
        glow.look(Now { mono_ms })
    }

    fn lamp(night: bool) -> Lamp {
        let mut lamp = Lamp::default();
        lamp.fit(true, 5 * MINUTE);
        lamp.night(night);
        lamp
    }

    #[test]
    fn a_glass_that_nobody_touches_is_dimmed_and_a_touch_wakes_it() {
        for (night, after, dark) in [(false, 10, Light::Dim), (true, 1, Light::Faint)] {
            let mut lamp = lamp(night);
            let dims_at = (5 + after) * MINUTE;
            assert_eq!(look(lamp.rests(), dims_at - 1).light, Light::Full);
            assert_eq!(look(lamp.rests(), dims_at).light, dark);
            lamp.touch(lamp.rests(), dims_at - 1);
            assert!(!lamp.was_woken());
            let dark_at = dims_at + after * MINUTE;
            assert_eq!(look(lamp.rests(), dark_at).light, dark);
            lamp.touch(lamp.rests(), dark_at);
            assert!(lamp.was_woken());
            assert_eq!(look(lamp.rests(), dark_at).light, Light::Full);
        }
    }

    #[test]
    fn a_look_says_when_it_changes_and_not_before() {
        let lamp = lamp(false);
        for glow in [lamp.rests(), lamp.asks(), lamp.scans(), Glow::Steady] {
            let mut now = 7 * MINUTE + 12_345;
            for _ in 0..40 {
                let before = look(glow, now);
                let Some(until) = before.until else { break };
                assert!(until > now && until - now <= MINUTE);
                assert_eq!(look(glow, until - 1), before);
                let after = look(glow, until);
                assert_ne!((after.light, after.shift), (before.light, before.shift));
                now = until;
            }
        }
    }

    #[test]
    fn the_picture_walks_by_a_pixel_and_comes_round() {
        let glow = lamp(false).asks();
        let shifts: BTreeSet<(i8, i8)> = (0..8)
            .map(|minute| look(glow, minute * MINUTE).shift)
            .map(|shift| (shift.x, shift.y))
            .collect();
        assert_eq!(shifts.len(), 8);
        for minute in 0..20 {
            let (a, b) = (
                look(glow, minute * MINUTE).shift,
                look(glow, (minute + 1) * MINUTE).shift,
            );
            assert_eq!((a.x - b.x).abs() + (a.y - b.y).abs(), 1, "{minute}");
        }
    }

    #[test]
    fn a_qr_is_as_bright_as_the_human_wants_it_and_nothing_else_dims_it() {
        let mut lamp = lamp(true);
        let mut lights = alloc::vec::Vec::new();
        for _ in 0..4 {
            let glow = lamp.scans();
            let (soon, late) = (look(glow, 0), look(glow, 100 * IDLE_MS));
            assert_eq!(
                (soon, soon.until, soon.shift),
                (late, None, Shift::default())
            );
            lights.push(soon.light);
            lamp.dim_scan();
        }
        use Light::{Dim, Faint, Full};
        assert_eq!(lights, [Full, Dim, Faint, Full]);
    }

    #[test]
    fn a_glass_without_a_light_of_its_own_has_one_look() {
        let mut lamp = Lamp::default();
        lamp.fit(false, 0);
        lamp.night(true);
        assert!(!lamp.dim_scan(), "the next page at once");
        for glow in [lamp.rests(), lamp.asks(), lamp.scans()] {
            assert_eq!(look(glow, 100 * IDLE_MS), Look::default());
        }
        lamp.touch(lamp.rests(), 100 * IDLE_MS);
        assert!(!lamp.was_woken());
    }
}
