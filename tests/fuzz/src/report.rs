//! The boot report: whatever mark, kernel, firmware and file system left behind, it is concluded from, told, kept and read back.

use std::fs;

use holdfast::boot::{BootReport, Evidence, Stages};
use holdfast_medium::{DataDir, Machine};

use super::{files, lay};

/// Concludes from these files of a machine, whose data directory is its `data/holdfast`.
pub fn is_written(input: &[u8]) {
    let place = tempfile::tempdir().expect("a machine");
    lay(place.path(), &files(input));
    let root = place.path().join("data/holdfast");
    if fs::create_dir_all(&root).is_err() {
        return;
    }
    let (machine, data) = (Machine::at(place.path()), DataDir::new(root));
    let evidence = Evidence::gather(&machine, &data);
    let mut report = BootReport::new(&evidence, &evidence.verdict());
    report.found("vault", ["a record is damaged"]);
    let mut stages = Stages::new();
    stages.done("evidence");
    assert!(!report.sentence().is_empty() && !report.to_string().is_empty());
    let report = report.closed(stages);
    if report.keep(&data).is_ok() {
        let kept = fs::read(data.root().join("boot/report.json")).expect("it is kept");
        let read: BootReport = serde_json::from_slice(&kept).expect("it can be read back");
        assert_eq!(read, report, "what is read back is the same");
    }
}
