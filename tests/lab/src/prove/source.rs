//! The project's source on this machine, and what git knows of it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a landing is looked for when there is no branch to compare with: what was committed within so long before the last commit.
const LANDING_S: u64 = 24 * 3600;
/// The branch on which changes land.
const LANDED: &str = "origin/main";

/// The top of the source tree.
pub struct Source(PathBuf);

/// Git did not answer.
#[derive(Debug, thiserror::Error)]
#[error("git {asked}: {why}")]
pub struct Mute {
    asked: String,
    why: String,
}

/// What became of some paths since a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Commits that touched them.
    pub commits: u64,
    /// Lines that were added or taken away between then and now; a file that is no text counts one.
    pub lines: u64,
}

impl Source {
    /// The source from which this program was built.
    pub fn here() -> Self {
        Self(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
    }

    /// The source whose top is this folder.
    #[cfg(test)]
    pub fn at(top: &Path) -> Self {
        Self(top.to_owned())
    }

    /// Its top folder.
    pub fn top(&self) -> &Path {
        &self.0
    }

    /// The commit that is checked out, abbreviated.
    pub fn commit(&self) -> Result<String, Mute> {
        self.git(&["rev-parse", "--short=12", "HEAD"])
    }

    /// Whether the checked out commit is all there is: nothing was edited since, but for the papers, in which runs are recorded.
    pub fn is_clean(&self) -> Result<bool, Mute> {
        let edited = self.git(&["status", "--porcelain", "--", ":/", ":!/docs"])?;
        Ok(edited.is_empty())
    }

    /// The commit before the change that is checked out, where git knows one: where it left the branch on which changes land, or,
    /// on that branch itself, the last commit that is a day older.
    pub fn before(&self) -> Result<Option<String>, Mute> {
        let head = self.git(&["rev-parse", "HEAD"])?;
        let left = self.git(&["merge-base", "HEAD", LANDED]).ok();
        if let Some(left) = left.filter(|left| *left != head) {
            return Ok(Some(left));
        }
        let at = self.git(&["log", "-1", "--format=%ct", "HEAD"])?;
        let at: u64 = at.parse().map_err(|_| Mute {
            asked: "log --format=%ct".to_owned(),
            why: format!("{at:?} is no moment"),
        })?;
        let before = format!("--before={}", at.saturating_sub(LANDING_S));
        let older = self.git(&["rev-list", "-1", &before, "HEAD"])?;
        Ok(Some(older).filter(|commit| !commit.is_empty()))
    }

    /// The files that differ between this commit and the one checked out.
    pub fn changed(&self, since: &str) -> Result<Vec<String>, Mute> {
        let names = self.git(&["diff", "--name-only", "--no-renames", since, "HEAD"])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Whether this history has such a commit: one that never landed is on no machine but the one it was made on.
    pub fn has(&self, commit: &str) -> bool {
        self.git(&["cat-file", "-e", &format!("{commit}^{{commit}}")])
            .is_ok()
    }

    /// What became of these paths since a commit.
    pub fn since(&self, commit: &str, paths: &[&str]) -> Result<Since, Mute> {
        let to_head = format!("{commit}..HEAD");
        let commits = self.git(&[&["rev-list", "--count", &to_head, "--"], paths].concat())?;
        let numbers = self.git(&[&["diff", "--numstat", commit, "HEAD", "--"], paths].concat())?;
        let line = |line: &str| {
            let mut counts = line.split('\t').map(|count| count.parse().unwrap_or(0));
            let (added, taken): (u64, u64) =
                (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
            (added + taken).max(1)
        };
        Ok(Since {
            commits: commits.parse().unwrap_or(0),
            lines: numbers.lines().map(line).sum(),
        })
    }

    fn git(&self, arguments: &[&str]) -> Result<String, Mute> {
        let mute = |why: String| Mute {
            asked: arguments.join(" "),
            why,
        };
        let asked = Command::new("git")
            .arg("-C")
            .arg(&self.0)
            .args(arguments)
            .output()
            .map_err(|error| mute(error.to_string()))?;
        if !asked.status.success() {
            let said = String::from_utf8_lossy(&asked.stderr);
            return Err(mute(said.trim().replace('\n', "; ")));
        }
        Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    }
}

#[cfg(test)]
pub mod tests {
    use std::fs;

    use super::*;

    /// A repository of its own.
    pub struct Repository {
        pub place: tempfile::TempDir,
    }

    impl Repository {
        pub fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let repository = Self { place };
            repository.run(&["init", "--quiet", "--initial-branch=main"], 0);
            repository
        }

        pub fn source(&self) -> Source {
            Source::at(self.place.path())
        }

        /// Commits this text in this file at this hour, and says as what.
        pub fn commit(&self, file: &str, text: &str, hour: u64) -> String {
            let path = self.place.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self.run(&["add", "."], hour);
            self.run(&["commit", "--quiet", "--message", file], hour);
            self.source().git(&["rev-parse", "HEAD"]).unwrap()
        }

        pub fn run(&self, arguments: &[&str], hour: u64) {
            let at = format!("{} +0000", 1_700_000_000 + hour * 3600);
            let done = Command::new("git")
                .arg("-C")
                .arg(self.place.path())
                .args(["-c", "user.name=Lab", "-c", "user.email=lab@example.org"])
                .args(arguments)
                .env("GIT_AUTHOR_DATE", &at)
                .env("GIT_COMMITTER_DATE", &at)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .status()
                .unwrap();
            assert!(done.success(), "git {arguments:?}");
        }
    }

    #[test]
    fn a_change_is_what_left_the_branch_or_else_a_day_of_it() {
        let repository = Repository::new();
        let source = repository.source();
        let first = repository.commit("src/a.rs", "a\n", 0);
        assert_eq!(source.before().unwrap(), None, "nothing is older");
        let old = repository.commit("src/b.rs", "b\n", 1);
        repository.commit("src/c.rs", "c\n", 20);
        repository.commit("docs/d.md", "d\n", 26);
        assert_eq!(source.before().unwrap(), Some(old.clone()));
        assert_eq!(source.changed(&old).unwrap(), ["docs/d.md", "src/c.rs"]);

        repository.run(&["update-ref", "refs/remotes/origin/main", &first], 26);
        assert_eq!(source.before().unwrap(), Some(first));
        repository.run(&["update-ref", "refs/remotes/origin/main", "HEAD"], 26);
        assert_eq!(source.before().unwrap(), Some(old), "it has landed");
    }

    #[test]
    fn papers_may_be_edited_before_a_run_and_nothing_else() {
        let repository = Repository::new();
        let source = repository.source();
        repository.commit("docs/d.md", "d\n", 0);
        repository.commit("src/a.rs", "a\n", 0);
        fs::write(source.top().join("docs/d.md"), "more").unwrap();
        assert!(source.is_clean().unwrap());
        fs::write(source.top().join("src/b.rs"), "new").unwrap();
        assert!(!source.is_clean().unwrap());
    }

    #[test]
    fn a_commit_that_nobody_knows_is_an_error_and_says_so() {
        let repository = Repository::new();
        repository.commit("src/a.rs", "a\n", 0);
        let error = repository.source().changed("0123abc").unwrap_err();
        assert!(error.to_string().contains("0123abc"), "{error}");
        assert!(repository.source().since("0123abc", &["src"]).is_err());
    }
}
