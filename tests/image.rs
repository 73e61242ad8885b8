//! What the image's builder decides, asked of its own shell functions.

use std::process::Command;

/// The features of a program are read out of its bytes, where any other text may follow: the compiler puts constants side by side,
/// so that a build had `none` before `[a-z]` and was refused.
#[test]
fn a_programs_features_are_read_whatever_follows_them() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("holdfastd");
    for (bytes, features) in [
        (
            &b"\x7fELF\0\xff0.1.0\nfeatures: nonebyte index\0"[..],
            "none\n",
        ),
        (b"\x7fELF\0\xff0.1.0\nfeatures: labholdfastd", "lab\n"),
        (b"\x7fELF\0\xff0.1.0\nfeatures: none", "none\n"),
        (b"\x7fELF\0\xff0.1.0\nfeatures: ", ""),
        (b"\x7fELF", ""),
    ] {
        std::fs::write(&program, bytes).unwrap();
        let said = Command::new("bash")
            .args(["-c", ". board/image/root.sh; program_features \"$1\"", "-"])
            .arg(&program)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), features);
    }
}
