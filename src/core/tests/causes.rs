//! The page that lists every state and every cause is what the code says. `HOLDFAST_WRITE=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use holdfast_core::setback::End;
use holdfast_core::{CauseClass, CauseCode, STAYS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/causes.md");

#[test]
fn the_page_is_what_the_code_says() {
    let page = page();
    if std::env::var_os("HOLDFAST_WRITE").is_some() {
        fs::write(PAGE, &page).expect("written");
    }
    let written = fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(
        written == page,
        "docs/causes.md is not what src/core says; write it anew with HOLDFAST_WRITE=1"
    );
}

fn page() -> String {
    let mut page = String::from(
        "# States and causes\n\n\
         Made from `src/core/stay.rs` and `src/core/ground/cause.rs`; a test fails when they differ.\n\n\
         ## States\n\n\
         `holdfastctl status` and `HOLDFAST_STATE` name them. No state lasts longer than this with nothing done about it.\n\n\
         | state | at most | then |\n|---|---|---|\n",
    );
    for stay in STAYS {
        let longest = stay
            .longest_ms
            .map_or("until a human acts".to_owned(), span);
        let _ = writeln!(page, "| {} | {longest} | {} |", stay.state, stay.then);
    }
    page.push_str(
        "\n## Causes\n\n\
         Whatever is wrong has a cause: a stable code (`HOLDFAST_CAUSE`, and `holdfastctl status --json`), one \
         sentence, and the one thing a human should do about it.\n",
    );
    for class in CauseClass::ALL {
        let _ = writeln!(page, "\n### {}\n\n{}\n", class.as_str(), class.about());
        page.push_str("| code | what happened | what to do |\n|---|---|---|\n");
        for code in CauseCode::ALL.iter().filter(|code| code.class() == *class) {
            let (name, what, action) = (code.as_str(), code.sentence(), code.action());
            let _ = writeln!(page, "| `{name}` | {what} | {action} |");
        }
    }
    page.push_str(
        "\n## How a message fails\n\n\
         From `src/core/parts/setback.rs`. A message that failed is in the state `failed CODE`, for good. Numbers are \
         WhatsApp's, and one that is not listed has no meaning that is known here.\n\n\
         | code | what happened | what to do |\n|---|---|---|\n",
    );
    for End {
        code,
        sentence,
        action,
    } in End::ALL
    {
        let _ = writeln!(page, "| `{code}` | {sentence} | {action} |");
    }
    page
}

/// A length of time in its largest whole unit.
fn span(ms: u64) -> String {
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")]
        .into_iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit))
        .map_or(format!("{} s", ms / 1_000), |(unit, name)| {
            format!("{} {name}", ms / unit)
        })
}
