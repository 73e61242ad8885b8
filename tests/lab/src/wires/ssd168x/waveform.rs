//! A waveform as it is sent to an SSD1680: how long each pixel is driven to which colour. After Solomon Systech's datasheet, revision 0.14,
//! sections 6.6 (which of its tables a pixel takes) and 6.7 (what is in them).

/// Its bytes, as command 0x32 takes them.
pub const BYTES: usize = 153;

/// Groups of each table; each has four phases, two bits of a byte.
const GROUPS: usize = 12;
/// Where the groups' lengths begin, seven bytes each: behind five tables.
const LENGTHS: usize = 5 * GROUPS;
/// With less a pixel gets no farther than a grey: by the frames that the makers' own waveforms take, ten at least.
const SETTLED: u32 = 10;

/// What a waveform does to pixels by what they were and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waveform {
    /// By the second memory's bit, then the first's.
    drives: [[Drive; 2]; 2],
}

/// How a pixel is driven, all phases together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Drive {
    /// Frames to one colour without a break at the end.
    last: u32,
    to_white: bool,
}

impl Waveform {
    /// Takes it apart.
    pub fn parse(bytes: &[u8; BYTES]) -> Self {
        let drive = |table: usize| {
            let mut drive = Drive::default();
            for group in 0..GROUPS {
                let levels = bytes[table * GROUPS + group];
                let at = LENGTHS + 7 * group;
                let [a, b, ab, c, d, cd, all]: [u8; 7] =
                    std::array::from_fn(|index| bytes[at + index]);
                for _ in 0..=all {
                    for (phases, frames, again) in [(6, [a, b], ab), (2, [c, d], cd)] {
                        for _ in 0..=again {
                            drive.by(levels >> phases & 3, frames[0]);
                            drive.by(levels >> (phases - 2) & 3, frames[1]);
                        }
                    }
                }
            }
            drive
        };
        Self {
            drives: [[drive(0), drive(1)], [drive(2), drive(3)]],
        }
    }

    /// The colour of a pixel afterwards, true is white; `None` is a grey.
    pub fn settles(&self, was: bool, old: bool, new: bool) -> Option<bool> {
        let drive = self.drives[usize::from(old)][usize::from(new)];
        match drive.last {
            0 => Some(was),
            // A touch holds what is there.
            _ if drive.to_white == was => Some(was),
            SETTLED.. => Some(drive.to_white),
            _ => None,
        }
    }
}

impl Drive {
    /// Goes on for so many frames at one of the source's levels: none, VSH1 and VSH2 to black, VSL to white.
    fn by(&mut self, level: u8, frames: u8) {
        let to_white = level == 2;
        if level == 0 || frames == 0 {
            return;
        }
        if self.to_white != to_white {
            *self = Self { last: 0, to_white };
        }
        self.last += u32::from(frames);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of one group each, its first phase so many frames.
    fn sent(levels: [u8; 4], frames: u8) -> Waveform {
        let mut bytes = [0; BYTES];
        for (table, level) in levels.into_iter().enumerate() {
            bytes[table * GROUPS] = level << 6;
        }
        bytes[LENGTHS] = frames;
        Waveform::parse(&bytes)
    }

    #[test]
    fn a_pixel_settles_where_it_is_driven_long_enough() {
        let waveform = sent([0, 2, 1, 0], 20);
        for (old, new) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(waveform.settles(old, old, new), Some(new), "{old} {new}");
        }
        assert_eq!(sent([0, 2, 1, 0], 5).settles(false, false, true), None);
        assert_eq!(
            sent([0, 1, 2, 0], 20).settles(false, false, true),
            Some(false),
            "driven the wrong way"
        );
        assert_eq!(
            sent([2, 2, 1, 0], 20).settles(false, false, false),
            Some(true),
            "what should stay is driven"
        );
        assert_eq!(sent([0; 4], 20).settles(true, true, false), Some(true));
    }

    #[test]
    fn repetitions_count_and_what_comes_last_wins() {
        let mut bytes = [0; BYTES];
        // To black and at once to white, thrice; the second phase is longer.
        bytes[GROUPS] = 0b01_10_00_00;
        bytes[LENGTHS..LENGTHS + 7].copy_from_slice(&[9, 12, 0, 0, 0, 0, 2]);
        let waveform = Waveform::parse(&bytes);
        assert_eq!(waveform.settles(false, false, true), Some(true));
        bytes[LENGTHS + 1] = 4;
        let waveform = Waveform::parse(&bytes);
        assert_eq!(waveform.settles(false, false, true), None);
        // One phase again and again.
        bytes[LENGTHS..LENGTHS + 7].copy_from_slice(&[0, 4, 0, 0, 0, 0, 2]);
        let waveform = Waveform::parse(&bytes);
        assert_eq!(waveform.settles(false, false, true), Some(true));
    }
}
