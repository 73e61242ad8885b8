//! From signals to a verdict: never from one alone.

use holdfast_core::LastEnd;
use holdfast_medium::{DataDir, Machine};

use super::Said;
use super::early::Early;
use super::filesystem::Recovery;
use super::kernel::{self, Clock, Dump};
use super::mark::{Mark, Run};
use super::reset::{Reset, Watchdog};

/// Every signal about the last run's end, gathered before anything was opened or written.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The mark of the last run.
    pub mark: Said<Mark>,
    /// Whether there was a vault: the name of its live generation.
    pub vault: Said<String>,
    /// Which boot this is.
    pub clock: Said<Clock>,
    /// Crashes the kernel kept.
    pub dumps: Said<Vec<Dump>>,
    /// Watchdogs with something to say.
    pub watchdogs: Said<Vec<Watchdog>>,
    /// The reset the firmware saw.
    pub reset: Said<Reset>,
    /// Whether the data directory's file system was cut off.
    pub recovery: Said<Recovery>,
    /// Errors it noted, ever. They say nothing of the last end.
    pub errors: Said<String>,
}

/// How the last run ended, and why we think so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How.
    pub end: LastEnd,
    /// The reason for the verdict, or for having none: a sentence.
    pub why: &'static str,
}

impl Evidence {
    /// Asks every signal, those that may be gone by now by what was kept of them in this boot.
    pub fn gather(machine: &Machine, data: &DataDir) -> Self {
        let early = Early::kept(machine).unwrap_or_else(|| Early::late(machine, data.root()));
        Self {
            mark: Mark::read(data),
            vault: Said::of_file(&data.current()),
            clock: kernel::clock(machine),
            dumps: early.dumps,
            watchdogs: early.watchdogs,
            reset: early.reset,
            recovery: early.recovery,
            errors: early.errors,
        }
    }

    /// How the last run ended. Two independent signals at least speak for every answer but `Unknown`.
    pub fn verdict(&self) -> Verdict {
        let (end, why) = match (&self.mark, &self.vault) {
            (Said::Unreadable(_), _) => (
                LastEnd::Unknown,
                "The run mark cannot be read, and the other signals do not tell one run from another.",
            ),
            (Said::Absent, Said::Absent) => {
                (LastEnd::FirstStart, "There is no run mark and no vault.")
            }
            (Said::Absent, _) => (
                LastEnd::Unknown,
                "There is a vault but no run mark: it was lost, or the last Holdfast wrote none.",
            ),
            (Said::Present(mark), _) if mark.run == Run::Stopped => self.stopped(mark),
            (Said::Present(mark), _) => self.broken_off(mark),
        };
        Verdict { end, why }
    }

    /// The mark is written when the last barrier is done, which is what a clean stop means; what the machine did later is
    /// another story.
    fn stopped(&self, mark: &Mark) -> (LastEnd, &'static str) {
        let same_boot = self.clock.present().map(|clock| &clock.boot) == mark.at.boot.as_ref();
        let why = if same_boot {
            "The run mark was closed after the last barrier, in this same boot."
        } else if self.recovery.present().is_some() {
            "The run mark was closed after the last barrier; the machine went down later, and not in order."
        } else {
            "The run mark was closed after the last barrier, and nothing contradicts it."
        };
        (LastEnd::Clean, why)
    }

    fn broken_off(&self, mark: &Mark) -> (LastEnd, &'static str) {
        let (Some(clock), Some(then)) = (self.clock.present(), &mark.at.boot) else {
            return (
                LastEnd::Unknown,
                "The run mark was never closed, and whether the machine went down with it is not known.",
            );
        };
        if clock.boot != *then {
            return self.machine_down(mark);
        }
        match (clock.uptime_ms, mark.at.mono_ms) {
            (Some(now), Some(then)) if now < then => (
                LastEnd::Unknown,
                "The signals contradict each other: the boot is the same, but its clock went back.",
            ),
            _ => (
                LastEnd::ProcessCrash,
                "The run mark was never closed, and the machine is still in the same boot.",
            ),
        }
    }

    /// The run was not stopped and the boot is another: the machine went down under it. The rest says why.
    fn machine_down(&self, mark: &Mark) -> (LastEnd, &'static str) {
        let crashed = self.dumps.present().is_some_and(|dumps| {
            let of_this_run = |dump: &&Dump| dump.wall_ms >= mark.at.wall_ms;
            dumps.iter().filter(of_this_run).any(Dump::is_crash)
        });
        let watchdogs = self.watchdogs.present();
        let any = |told: fn(&Watchdog) -> bool| watchdogs.is_some_and(|all| all.iter().any(told));
        let (fired, power_failed) = (any(Watchdog::fired), any(Watchdog::saw_power_fail));
        let reset = self.reset.present();
        let recovered = self.recovery.present().is_some();
        let crashes_are_kept = !matches!(self.dumps, Said::Unreadable(_));

        if crashed {
            return (
                LastEnd::KernelCrash,
                "The boot is another, and the kernel kept a panic from during the run.",
            );
        }
        if fired && (power_failed || reset == Some(&Reset::PowerOn)) {
            return (
                LastEnd::Unknown,
                "The signals contradict each other: the watchdog fired, and the power failed.",
            );
        }
        if fired {
            return (
                LastEnd::Watchdog,
                "The boot is another, and the watchdog says that it reset the machine.",
            );
        }
        match reset {
            Some(Reset::PowerOn) => (
                LastEnd::PowerLoss,
                "The boot is another, and the firmware saw the power come on.",
            ),
            None if power_failed => (
                LastEnd::PowerLoss,
                "The boot is another, and the watchdog saw the power fail.",
            ),
            Some(Reset::Warm) if recovered => (
                LastEnd::Unknown,
                "The machine was reset with the power on, not in order, and nothing kept why: a hang or a crash.",
            ),
            None if recovered && crashes_are_kept => (
                LastEnd::PowerLoss,
                "The boot is another, the file system was cut off, and the kernel kept no crash.",
            ),
            None if recovered => (
                LastEnd::Unknown,
                "The machine went down and the file system was cut off: the power went, or the kernel crashed where none is kept.",
            ),
            _ => (
                LastEnd::Unknown,
                "The machine went down during the run, and no other signal says how: perhaps a restart that did not wait.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_medium::Stamp;

    use super::*;

    const BEGUN: u64 = 1_000_000;

    /// A run that was marked as begun, on a machine in another boot, with signals that can be asked and are silent.
    fn down() -> Evidence {
        Evidence {
            mark: mark(Run::Running, "before"),
            vault: Said::Present("gen-0001".into()),
            clock: Said::Present(Clock {
                boot: "now".into(),
                uptime_ms: Some(9_000),
            }),
            dumps: Said::Absent,
            watchdogs: Said::Absent,
            reset: Said::Absent,
            recovery: Said::Absent,
            errors: Said::Absent,
        }
    }

    fn mark(run: Run, boot: &str) -> Said<Mark> {
        Said::Present(Mark {
            run,
            pid: 7,
            at: Stamp {
                boot: Some(boot.into()),
                wall_ms: BEGUN,
                mono_ms: Some(5_000),
            },
        })
    }

    fn dump(reason: &str, wall_ms: u64) -> Said<Vec<Dump>> {
        Said::Present(vec![Dump {
            name: "dmesg-ramoops-0".into(),
            wall_ms,
            reason: Some(reason.into()),
        }])
    }

    fn watchdog(boot_status: u32) -> Said<Vec<Watchdog>> {
        Said::Present(vec![Watchdog {
            name: "watchdog0".into(),
            boot_status,
            left_s: None,
        }])
    }

    fn recovered() -> Said<Recovery> {
        Said::Present(Recovery {
            device: "mmcblk0p3".into(),
            lines: vec!["recovery complete".into()],
        })
    }

    fn unreadable<T>() -> Said<T> {
        Said::Unreadable("permission denied".into())
    }

    /// Lists combinations of signals, and the end that each must be taken for.
    fn table() -> Vec<(&'static str, Evidence, LastEnd)> {
        use LastEnd::*;
        let with = |change: fn(&mut Evidence)| {
            let mut evidence = down();
            change(&mut evidence);
            evidence
        };
        let same = |change: fn(&mut Evidence)| {
            let mut evidence = down();
            evidence.mark = mark(Run::Running, "now");
            change(&mut evidence);
            evidence
        };
        let new = |change: fn(&mut Evidence)| {
            let mut evidence = down();
            evidence.mark = Said::Absent;
            change(&mut evidence);
            evidence
        };
        vec![
            (
                "no mark, no vault",
                new(|e| e.vault = Said::Absent),
                FirstStart,
            ),
            ("no mark, but a vault", new(|_| {}), Unknown),
            (
                "no mark, a vault nobody can read",
                new(|e| e.vault = unreadable()),
                Unknown,
            ),
            (
                "a mark nobody can read",
                with(|e| (e.mark, e.dumps) = (unreadable(), dump("Panic", BEGUN + 1))),
                Unknown,
            ),
            (
                "stopped, same boot",
                same(|e| e.mark = mark(Run::Stopped, "now")),
                Clean,
            ),
            (
                "stopped, later boot",
                with(|e| e.mark = mark(Run::Stopped, "before")),
                Clean,
            ),
            (
                "stopped, then the power went",
                with(|e| (e.mark, e.recovery) = (mark(Run::Stopped, "before"), recovered())),
                Clean,
            ),
            (
                "stopped, boot not known",
                with(|e| (e.mark, e.clock) = (mark(Run::Stopped, "before"), unreadable())),
                Clean,
            ),
            ("same boot", same(|_| {}), ProcessCrash),
            (
                "same boot, old signals of the machine",
                same(|e| (e.recovery, e.watchdogs) = (recovered(), watchdog(0x20))),
                ProcessCrash,
            ),
            (
                "same boot, but its clock went back",
                same(|e| {
                    e.clock = Said::Present(Clock {
                        boot: "now".into(),
                        uptime_ms: Some(4_999),
                    })
                }),
                Unknown,
            ),
            ("boot not known", with(|e| e.clock = unreadable()), Unknown),
            ("another boot and nothing else", with(|_| {}), Unknown),
            (
                "a panic in the run",
                with(|e| e.dumps = dump("Panic", BEGUN)),
                KernelCrash,
            ),
            (
                "a panic, and a watchdog that then fired",
                with(|e| (e.dumps, e.watchdogs) = (dump("Panic", BEGUN), watchdog(0x20))),
                KernelCrash,
            ),
            (
                "a panic of an earlier run",
                with(|e| e.dumps = dump("Panic", BEGUN - 1)),
                Unknown,
            ),
            (
                "a panic of an earlier run, and a cut",
                with(|e| (e.dumps, e.recovery) = (dump("Panic", BEGUN - 1), recovered())),
                PowerLoss,
            ),
            (
                "an oops alone",
                with(|e| e.dumps = dump("Oops", BEGUN)),
                Unknown,
            ),
            (
                "the watchdog fired",
                with(|e| e.watchdogs = watchdog(0x20)),
                Watchdog,
            ),
            (
                "the watchdog fired, the file system agrees",
                with(|e| {
                    (e.watchdogs, e.recovery, e.reset) =
                        (watchdog(0x20), recovered(), Said::Present(Reset::Warm))
                }),
                Watchdog,
            ),
            (
                "the watchdog fired, the firmware disagrees",
                with(|e| (e.watchdogs, e.reset) = (watchdog(0x20), Said::Present(Reset::PowerOn))),
                Unknown,
            ),
            (
                "the watchdog says both",
                with(|e| e.watchdogs = watchdog(0x30)),
                Unknown,
            ),
            (
                "the watchdog was too hot",
                with(|e| e.watchdogs = watchdog(0x01)),
                Unknown,
            ),
            (
                "the firmware saw the power come on",
                with(|e| e.reset = Said::Present(Reset::PowerOn)),
                PowerLoss,
            ),
            (
                "the watchdog saw the power fail",
                with(|e| e.watchdogs = watchdog(0x10)),
                PowerLoss,
            ),
            (
                "the power failed, the firmware disagrees",
                with(|e| (e.watchdogs, e.reset) = (watchdog(0x10), Said::Present(Reset::Warm))),
                Unknown,
            ),
            (
                "cut off, and a kernel that keeps crashes kept none",
                with(|e| e.recovery = recovered()),
                PowerLoss,
            ),
            (
                "cut off, but crashes are not kept",
                with(|e| (e.recovery, e.dumps) = (recovered(), unreadable())),
                Unknown,
            ),
            (
                "cut off by a reset with the power on",
                with(|e| (e.recovery, e.reset) = (recovered(), Said::Present(Reset::Warm))),
                Unknown,
            ),
            (
                "a warm restart that did not wait for us",
                with(|e| e.reset = Said::Present(Reset::Warm)),
                Unknown,
            ),
            (
                "nobody answers",
                with(|e| {
                    (e.dumps, e.watchdogs, e.reset, e.recovery) =
                        (unreadable(), unreadable(), unreadable(), unreadable())
                }),
                Unknown,
            ),
        ]
    }

    #[test]
    fn every_combination_of_signals_has_its_verdict() {
        for (signals, evidence, end) in table() {
            let verdict = evidence.verdict();
            assert_eq!(verdict.end, end, "{signals}: {}", verdict.why);
            assert!(verdict.why.ends_with('.'));
        }
    }

    #[test]
    fn no_signal_alone_decides() {
        for (signals, evidence, end) in table() {
            if matches!(end, LastEnd::Unknown | LastEnd::Clean | LastEnd::FirstStart) {
                continue;
            }
            let mut without_mark = evidence.clone();
            without_mark.mark = Said::Absent;
            assert_eq!(without_mark.verdict().end, LastEnd::Unknown, "{signals}");
            let mut without_boot = evidence;
            without_boot.clock = unreadable();
            assert_eq!(without_boot.verdict().end, LastEnd::Unknown, "{signals}");
        }
    }
}
