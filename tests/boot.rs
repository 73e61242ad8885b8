//! How the last run ended, and what becomes of a data directory that cannot be opened: the real daemon.

use std::fs;
use std::path::Path;

use holdfast::boot::{Mark, Report};
use holdfast_lab::holdfast::Holdfast;
use holdfast_lab::server::{Lab, LabConfig};
use tempfile::TempDir;

struct Scene {
    holdfast: Holdfast,
    _lab: Lab,
    _directory: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabConfig::default()).await.unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        let holdfast = Holdfast::new(program, directory.path(), &lab.url()).unwrap();
        Self {
            holdfast,
            _lab: lab,
            _directory: directory,
        }
    }

    /// Starts the daemon; how it says that its last run ended, and its report.
    async fn start(&mut self) -> (String, Report) {
        self.holdfast.start().await.unwrap();
        let vault = self.holdfast.vault().await.unwrap();
        let report: Report = serde_json::from_str(&vault.boot_report().await.unwrap()).unwrap();
        let end = vault.last_end().await.unwrap();
        assert_eq!(end, report.last_end);
        let kept = fs::read(self.holdfast.data().join("boot/report.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&kept).unwrap(), report);
        (end, report)
    }

    /// Makes the mark say that the run was in another boot.
    fn forge_boot(&self) {
        let path = self.holdfast.data().join("boot/run.json");
        let mut mark: Mark = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        mark.at.boot = Some("00000000-0000-0000-0000-000000000000".into());
        fs::write(&path, serde_json::to_vec(&mark).unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_knows_how_the_last_run_ended() {
    let mut scene = Scene::new().await;
    let (end, report) = scene.start().await;
    assert_eq!(end, "first-start");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.stages.iter().any(|stage| stage.name == "vault"));

    scene.holdfast.stop().await.unwrap();
    assert_eq!(scene.start().await.0, "clean");

    scene.holdfast.kill().await.unwrap();
    let (end, report) = scene.start().await;
    assert_eq!(end, "process-crash", "{report}");
    assert!(scene.holdfast.read_log().contains("crashed or was killed"));

    scene.holdfast.kill().await.unwrap();
    scene.forge_boot();
    let (end, report) = scene.start().await;
    let of_a_machine = ["power-loss", "kernel-crash", "watchdog", "unknown"];
    assert!(of_a_machine.contains(&end.as_str()), "{report}");
    assert!(
        report.why.contains("machine went down") || end != "unknown",
        "{report}"
    );

    scene.holdfast.stop().await.unwrap();
    scene.forge_boot();
    assert_eq!(
        scene.start().await.0,
        "clean",
        "what the machine did later is another story"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mark_is_not_guessed_about() {
    let mut scene = Scene::new().await;
    scene.start().await;
    scene.holdfast.stop().await.unwrap();
    let mark = scene.holdfast.data().join("boot/run.json");
    fs::write(&mark, "{").unwrap();
    assert_eq!(scene.start().await.0, "unknown");
    scene.holdfast.stop().await.unwrap();
    fs::remove_file(&mark).unwrap();
    assert_eq!(scene.start().await.0, "unknown");
}
