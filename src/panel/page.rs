//! The layout of every screen but the QR's: a title with its icon, what to do next in the strongest letters, and as much of the
//! rest as the glass has room for.
//!
//! A small, a square and a large glass each have a [`Style`]; within it a text takes the largest letters in which everything that
//! has to be said has room.

use embedded_graphics::{
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};

use super::{
    icon::Mood,
    ink::Ink,
    letters::{B8, B11, B12, B14, B19, B25, Font, R8, R11, R12, R14, R19},
};

/// Pixels between that margin and what is written.
const INDENT: u32 = 2;

/// Pixels along each edge that stay as the ground is: for bezels, for a column that is not seen, and for the pixel shift.
pub(super) const MARGIN: u32 = 2;

/// The text of a screen.
pub(super) struct Page {
    /// How it stands to the owner.
    pub(super) mood: Mood,
    /// A word or two, to be read from a metre.
    pub(super) title: String,
    /// What the owner does next.
    pub(super) next: String,
    /// What there is to know.
    pub(super) about: String,
    /// The same in sentences, where a glass has room for them: the more of them the better.
    pub(super) sentences: Vec<String>,
    /// A file, and what the system said of it: its end is what counts.
    pub(super) named: String,
    /// Further advice.
    pub(super) hint: String,
    /// What is counted down.
    pub(super) time: String,
    /// Names and values, the most important first.
    pub(super) rows: Vec<Row>,
}

/// A name and its value; either may be empty.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: String,
}

/// How a class of glasses is laid out. Fonts are tried in their order, the largest first.
struct Style {
    /// The height of the title's bar, and of that of a page that somebody turned to.
    bar: [u32; 2],
    titles: &'static [Font],
    next: &'static [Font],
    next_lines: usize,
    /// What there is to know; no lines where there is no room for it.
    about: &'static [Font],
    about_lines: usize,
    /// Whether that is a sentence.
    speaks: bool,
    /// The font of what stands at the foot, and how many of hint and time; then of names and values.
    foot: Font,
    feet: usize,
    rows: Font,
    /// Values stand below each other.
    is_table: bool,
    /// The least between two texts.
    gap: u32,
}

/// 128x32.
const STRIP: Style = Style {
    bar: [14, 14],
    titles: &[B12, B11, B8],
    next: &[B11, B8],
    next_lines: 1,
    about: &[R8],
    about_lines: 0,
    speaks: false,
    foot: R8,
    feet: 0,
    rows: R8,
    is_table: false,
    gap: 0,
};

/// 128x64.
const SMALL: Style = Style {
    bar: [21, 14],
    titles: &[B19, B14, B12, B11],
    next: &[B14, B12, B11, B8],
    about_lines: 1,
    feet: 1,
    gap: 1,
    ..STRIP
};

/// 128x128.
const SQUARE: Style = Style {
    bar: [22, 18],
    titles: &[B19, B14, B12, B11],
    next: &[B19, B14, B12],
    next_lines: 2,
    about: &[R11, R8],
    about_lines: 4,
    speaks: true,
    feet: 2,
    gap: 2,
    ..STRIP
};

/// 240x240.
const TALL: Style = Style {
    bar: [40, 32],
    titles: &[B25, B19, B14],
    next: &[B25, B19],
    next_lines: 2,
    about: &[R19, R14, R12, R11],
    about_lines: 6,
    speaks: true,
    foot: R12,
    feet: 2,
    rows: R12,
    is_table: true,
    gap: 4,
};

/// 250x122 and 296x128.
const WIDE: Style = Style {
    bar: [30, 22],
    titles: &[B25, B19, B14],
    next: &[B19, B14, B12],
    next_lines: 1,
    about: &[R11, R8],
    about_lines: 3,
    speaks: true,
    foot: R8,
    feet: 2,
    rows: R8,
    is_table: false,
    gap: 3,
};

/// 400x300.
const BIG: Style = Style {
    bar: [48, 40],
    titles: &[B25],
    next: &[B25],
    next_lines: 1,
    about: &[R19, R14, R12],
    about_lines: 4,
    speaks: true,
    foot: R14,
    feet: 2,
    rows: R14,
    is_table: true,
    gap: 7,
};

/// A page on a glass of one size.
pub(super) struct Laid {
    bar: Rectangle,
    /// The corner of the icon, and its side.
    icon: (Point, u32),
    texts: Vec<Text>,
    /// Everything that has to be said has room.
    #[cfg(test)]
    pub(super) is_whole: bool,
}

/// A text on its place.
struct Text {
    text: String,
    font: Font,
    /// Its left end on its base line.
    at: Point,
    ink: Ink,
}

/// What a page says, without its names and values.
struct Said {
    /// What to do next, and what there is to know.
    above: Vec<Block>,
    /// Further advice, and the time.
    foot: Block,
}

/// Lines in one font, with values in a column of their own where there are some.
#[derive(Clone)]
struct Block {
    font: Font,
    lines: Vec<String>,
    /// How far from the left, and one for each line.
    values: (u32, Vec<String>),
}

impl Style {
    fn of(size: Size) -> &'static Self {
        match (size.width, size.height) {
            (_, ..48) => &STRIP,
            (..200, ..100) => &SMALL,
            (..200, _) => &SQUARE,
            (_, ..200) => &WIDE,
            (..300, _) => &TALL,
            _ => &BIG,
        }
    }

    /// Fonts for what to do next and for what there is to know: the former is the last to become smaller.
    fn fonts(&self) -> impl Iterator<Item = (Font, Font)> {
        let nexts = self.next.iter();
        nexts.flat_map(|next| self.about.iter().map(|about| (*next, *about)))
    }
}

impl Block {
    fn new(font: Font, lines: Vec<String>) -> Self {
        let values = (0, Vec::new());
        Self {
            font,
            lines,
            values,
        }
    }

    /// From one line to the next. A little stands between them, for accents.
    fn pitch(&self) -> u32 {
        self.font.capital + self.font.below + self.font.capital / 7
    }

    fn height(&self) -> u32 {
        let lines = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        (lines * self.pitch()).saturating_sub(self.font.capital / 7)
    }

    /// Places its texts below a point.
    fn texts(self, at: Point) -> impl Iterator<Item = Text> {
        let (font, pitch) = (self.font, self.pitch());
        let (right, values) = self.values;
        let left = (0..).zip(self.lines).map(|(row, text)| (row, 0, text));
        let values = (0..).zip(values);
        let values = values.map(move |(row, text)| (row, right, text));
        left.chain(values).map(move |(row, right, text)| Text {
            text,
            font,
            at: at + Size::new(right, row * pitch + font.capital),
            ink: Ink::Text,
        })
    }
}

impl Page {
    /// Draws it over the whole target, on its ground.
    pub(super) fn draw<D: DrawTarget<Color = Ink>>(&self, target: &mut D) -> Result<(), D::Error> {
        let area = target.bounding_box();
        let laid = self.lay(area.size);
        let mut target = target.cropped(&area);
        let mut target = target.clipped(&inner(area.size));
        if self.mood.is_loud() {
            let bar = PrimitiveStyle::with_fill(self.mood.ink());
            laid.bar.into_styled(bar).draw(&mut target)?;
        }
        let (corner, side) = laid.icon;
        self.mood.draw(corner, side, &mut target)?;
        laid.texts
            .iter()
            .try_for_each(|text| text.font.draw(&text.text, text.at, text.ink, &mut target))
    }

    /// Gives each text its font and its place.
    pub(super) fn lay(&self, size: Size) -> Laid {
        let (style, inner) = (Style::of(size), inner(size));
        let bar = style.bar[usize::from(self.mood == Mood::Page)].min(inner.size.height);
        let bar = Rectangle::new(inner.top_left, Size::new(inner.size.width, bar));
        let room = Size::new(
            inner.size.width.saturating_sub(2 * INDENT),
            inner.size.height - bar.size.height,
        );
        let blocks = self.blocks(style, room, true);
        #[cfg(test)]
        let is_whole = blocks.is_some();
        let blocks = blocks.or_else(|| self.blocks(style, room, false));
        let blocks = blocks.unwrap_or_default();
        let needed: u32 = blocks.iter().map(Block::height).sum();
        // What to do next keeps its place, whatever else is known.
        let left = room.height.saturating_sub(needed + style.gap);
        let gaps = u32::try_from(blocks.len()).unwrap_or(1).max(2) - 1;
        let gap = (left / gaps).min(2 * style.gap + 4);
        let corner = inner.top_left + Size::new(INDENT, bar.size.height);
        let (mut texts, mut down) = (Vec::new(), style.gap);
        for block in blocks {
            let height = block.height();
            texts.extend(block.texts(corner + Size::new(0, down)));
            down += height + gap;
        }
        let pad = if self.mood.is_loud() { 2 } else { 1 };
        let side = bar.size.height.saturating_sub(2 * pad);
        let left = match self.mood {
            Mood::Page | Mood::Code => INDENT,
            _ => INDENT + side + 1 + bar.size.height / 8,
        };
        let title = self.title(style, bar, left);
        #[cfg(test)]
        let is_whole = is_whole && title.is_some();
        texts.extend(title);
        Laid {
            bar,
            icon: (bar.top_left + Size::new(INDENT, pad), side),
            texts,
            #[cfg(test)]
            is_whole,
        }
    }

    /// Places the title; `None` when it has no room.
    fn title(&self, style: &Style, bar: Rectangle, left: u32) -> Option<Text> {
        let Size { width, height } = bar.size;
        let room = width.saturating_sub(left + INDENT);
        let fits = |font: &&Font| {
            let (above, below) = font.extent(&self.title);
            font.width(&self.title) <= room && above + below + style.gap.min(2) <= height
        };
        let font = *style.titles.iter().find(fits)?;
        let (above, below) = font.extent(&self.title);
        let down = (height - above - below) / 2 + above;
        Some(Text {
            text: self.title.clone(),
            font,
            at: bar.top_left + Size::new(left, down),
            ink: match self.mood.is_loud() {
                true => Ink::Ground,
                false => self.mood.ink(),
            },
        })
    }

    /// What stands below the title: all that has to be said in the largest letters in which it has room, then names and values for
    /// as long as there is some. `None` when there is no room; but what is not wanted `whole` may lack what is too wide: a number.
    fn blocks(&self, style: &Style, room: Size, whole: bool) -> Option<Vec<Block>> {
        // A page is there for its rows.
        let least = match self.mood {
            Mood::Page => self.rows.len(),
            _ => 0,
        };
        let spoken = self.sentences.len() * usize::from(style.speaks);
        let mut abouts: Vec<String> = (1..=spoken)
            .rev()
            .map(|most| self.sentences[..most].join(" "))
            .collect();
        abouts.push(self.about.clone());
        let (rows, said) = (0..=least).rev().find_map(|rows| {
            let said = abouts.iter().find_map(|about| {
                let mut fonts = style.fonts();
                fonts.find_map(|fonts| {
                    let said = self.said(style, about, fonts, room, whole)?;
                    self.with_rows(&said, style, rows, room).map(|_| said)
                })
            });
            Some((rows, said?))
        })?;
        let more = rows..=self.rows.len();
        more.map_while(|rows| self.with_rows(&said, style, rows, room))
            .last()
    }

    /// Puts so many rows between what is said and its foot; `None` when there is no room.
    fn with_rows(&self, said: &Said, style: &Style, rows: usize, room: Size) -> Option<Vec<Block>> {
        let rows = self.rows.iter().take(rows);
        let rows = match style.is_table {
            true => table(style.rows, rows, room.width)?,
            false => {
                let rows = rows.map(|row| [row.joined(), row.value.clone()]);
                pack(style.rows, rows, room.width)?
            }
        };
        let blocks = said.above.iter().chain([&rows, &said.foot]);
        let blocks = blocks.filter(|block| !block.lines.is_empty()).cloned();
        let blocks: Vec<Block> = blocks.collect();
        let height = |block: &Block| block.height() + style.gap;
        let needed: u32 = blocks.iter().map(height).sum();
        (needed <= room.height).then_some(blocks)
    }

    /// Everything but names and values, in fonts for what to do next and for what there is to know; `None` when a text is too long.
    fn said(
        &self,
        style: &Style,
        about: &str,
        (next, font): (Font, Font),
        room: Size,
        whole: bool,
    ) -> Option<Said> {
        let or_less = |block: Option<Block>| match whole {
            true => block,
            false => Some(block.unwrap_or_else(|| Block::new(R8, Vec::new()))),
        };
        let wrapped = |font: Font, text: &str, most: usize| {
            let lines = font.wrap(text, room.width)?;
            (lines.len() <= most).then(|| Block::new(font, lines))
        };
        let mut above = vec![or_less(wrapped(next, &self.next, style.next_lines))?];
        if style.about_lines > 0 {
            above.push(match self.named.is_empty() {
                true => or_less(wrapped(font, about, style.about_lines))?,
                false => tail(R8, &self.named, room.width, style.about_lines + 1),
            });
        }
        let feet = [&self.hint, &self.time].into_iter();
        let feet = feet.filter(|text| !text.is_empty()).take(style.feet);
        let feet = feet.map(|text| [text.as_str(), text]);
        let foot = or_less(pack(style.foot, feet, room.width))?;
        Some(Said { above, foot })
    }
}

impl Row {
    fn joined(&self) -> String {
        [self.name.as_str(), &self.value]
            .join(" ")
            .trim()
            .to_owned()
    }
}

/// Puts texts beside each other as long as a line has room, each of them shorter where it has none alone; `None` when it has none
/// even then.
fn pack<S: AsRef<str>>(
    font: Font,
    texts: impl Iterator<Item = [S; 2]>,
    width: u32,
) -> Option<Block> {
    const BETWEEN: &str = "   ";
    let fits = |text: &str| font.width(text) <= width;
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        let text = text.iter().map(AsRef::as_ref).find(|text| fits(text))?;
        let longer = lines.last().map(|line| [line, BETWEEN, text].concat());
        match (longer, lines.last_mut()) {
            (Some(longer), Some(line)) if fits(&longer) => *line = longer,
            _ => lines.push(text.to_owned()),
        }
    }
    Some(Block::new(font, lines))
}

/// Puts names below each other, and values beside them; `None` when a name has no room.
fn table<'a>(font: Font, rows: impl Iterator<Item = &'a Row>, width: u32) -> Option<Block> {
    let (names, values): (Vec<_>, Vec<_>) = rows
        .map(|row| (row.name.clone(), row.value.clone()))
        .unzip();
    let beside = |row: &(&String, &String)| !row.1.is_empty();
    let with_values = names.iter().zip(&values).filter(beside);
    let column = with_values.map(|(name, _)| font.width(name)).max();
    let column = column.map_or(0, |widest| widest + font.width("n"));
    let fits = names
        .iter()
        .zip(&values)
        .all(|(name, value)| font.width(name).max(column + font.width(value)) <= width);
    fits.then_some(Block {
        font,
        lines: names,
        values: (column, values),
    })
}

/// Breaks a text that is no sentence wherever a line ends, and keeps its last lines: of a path that is the file.
fn tail(font: Font, text: &str, width: u32, most: usize) -> Block {
    let mut lines = vec![String::new()];
    for letter in text.chars() {
        let line = lines.last_mut().expect("there is one from the start on");
        line.push(letter);
        if font.width(line) > width && line.chars().count() > 1 {
            line.pop();
            lines.push(letter.to_string());
        }
    }
    lines.drain(..lines.len().saturating_sub(most));
    Block::new(font, lines)
}

/// The part of a glass that is written on.
fn inner(size: Size) -> Rectangle {
    let corner = Point::new(MARGIN as i32, MARGIN as i32);
    Rectangle::new(corner, size.saturating_sub(Size::new_equal(2 * MARGIN)))
}

#[cfg(test)]
mod tests;
