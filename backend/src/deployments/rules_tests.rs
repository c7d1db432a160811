//! The rules, look by look.

use std::time::Duration;

use chrono::TimeDelta;
use pipeline::clock::Timestamp;

use super::{
    look::{Limits, Look},
    progress::Progress,
    report::{ProcessReport, ProcessState, ReportedHealth, SeenProcess},
    rules::{Fault, Finding, note_smoke, observe},
    totals::Totals,
};

const CHECK: u32 = 10;

fn limits() -> Limits {
    Limits {
        check: Duration::from_secs(u64::from(CHECK)),
        sustained: Duration::from_secs(300),
        start: Duration::from_secs(120),
        baseline: Some((100.0, 0.0)),
    }
}

/// A deployment whose one process is looked at every ten seconds.
struct Watched {
    progress: Progress,
    looks: u32,
    totals: Totals,
}

impl Watched {
    fn new() -> Self {
        Self { progress: Progress::default(), looks: 0, totals: Totals::default() }
    }

    /// A busy ten seconds: so many requests, errors among them, and most of them this slow.
    fn look(
        &mut self,
        requests: u32,
        errors: u32,
        slow: bool,
        change: impl Fn(&mut SeenProcess),
    ) -> Option<Finding> {
        self.totals.counts.requests += u64::from(requests);
        self.totals.counts.errors += u64::from(errors);
        let took = Duration::from_millis(if slow { 200 } else { 90 });
        (0..requests).for_each(|_| self.totals.counts.latency.add(took));
        let report = ProcessReport {
            totals: self.totals,
            health: ReportedHealth::Healthy,
            reasons: Vec::new(),
            database: Some(true),
            cpu_share: Some(0.2),
            memory_share: None,
            pool_share: Some(0.1),
            mode: "DUAL_WRITE".to_owned(),
        };
        let mut process = SeenProcess { was_ready: true, state: ProcessState::Live, report: Some(report) };
        change(&mut process);
        self.looks += 1;
        let seconds = self.looks * CHECK;
        let at = Timestamp::UNIX_EPOCH + TimeDelta::seconds(i64::from(seconds));
        let look = Look { at, age: Duration::from_secs(u64::from(seconds)), processes: vec![process] };
        observe(&mut self.progress, &look, &limits())
    }

    /// The looks until the first finding, and the finding.
    fn until_found(&mut self, mut look: impl FnMut(&mut Self, u32) -> Option<Finding>) -> (u32, Finding) {
        (1..=90).find_map(|number| Some((number, look(self, number)?))).expect("no finding in 15 minutes")
    }
}

fn report(change: impl Fn(&mut ProcessReport)) -> impl Fn(&mut SeenProcess) {
    move |process| change(process.report.as_mut().unwrap())
}

fn with_health(health: ReportedHealth) -> impl Fn(&mut SeenProcess) {
    report(move |report| report.health = health)
}

#[test]
fn a_good_deployment_is_never_found() {
    let mut watched = Watched::new();
    for number in 1..=90 {
        // One error in two hundred, and a single slow look.
        let found = watched.look(200, u32::from(number % 2 == 0), number == 30, |_| {});
        assert_eq!(found, None, "look {number}");
    }
    assert!(!watched.progress.is_bad_now());
}

#[test]
fn many_errors_need_three_looks() {
    let mut watched = Watched::new();
    (0..6).for_each(|_| assert_eq!(watched.look(100, 0, false, |_| {}), None));
    let (looks, finding) = watched.until_found(|watched, _| watched.look(100, 60, false, |_| {}));
    assert!((3..=4).contains(&looks) && finding.fault == Fault::Service, "{looks}: {finding:?}");
}

#[test]
fn one_burst_does_not_confirm_itself() {
    let mut watched = Watched::new();
    for number in 1..=30 {
        // A tenth of the answers of that minute.
        let errors = if number == 10 { 3 } else { 0 };
        assert_eq!(watched.look(5, errors, false, |_| {}), None, "look {number}");
    }
    let (looks, finding) = watched.until_found(|watched, _| watched.look(5, 3, false, |_| {}));
    assert_eq!((looks, finding.fault), (3, Fault::Service), "a burst in every look");
}

#[test]
fn an_outage_of_the_provider_is_told_apart() {
    let fault = |of_model: u64| {
        let (_, finding) = Watched::new().until_found(|watched, _| {
            watched.totals.counts.runs_failed += 2;
            watched.totals.model_failures += of_model;
            watched.look(1, 0, false, |_| {})
        });
        finding.fault
    };
    assert_eq!((fault(2), fault(0)), (Fault::ModelLost, Fault::Service));
}

#[test]
fn peaks_of_the_machine_and_the_pool_must_last() {
    type Set = fn(&mut ProcessReport, Option<f64>);
    let sets: [(Set, &str, Fault); 3] = [
        (|report, share| report.cpu_share = share, "CPU", Fault::Service),
        (|report, share| report.memory_share = share, "memory", Fault::Service),
        (|report, share| report.pool_share = share, "pool", Fault::Storage),
    ];
    for (set, name, fault) in sets {
        let busy = |share: f64| report(move |report| set(report, Some(share)));
        let mut watched = Watched::new();
        for number in 1..=90 {
            let share = if number % 2 == 0 { 1.0 } else { 0.2 };
            assert_eq!(watched.look(1, 0, false, busy(share)), None, "{name}, look {number}");
        }
        let (looks, finding) = Watched::new().until_found(|watched, _| watched.look(1, 0, false, busy(1.0)));
        assert!(
            looks == 31 && finding.reason.contains(name) && finding.fault == fault,
            "{looks}: {finding:?}"
        );
    }
}

#[test]
fn bursts_with_a_silence_between_them_do_not_last() {
    let mut watched = Watched::new();
    for burst in 1..=6 {
        for _ in 0..2 {
            assert_eq!(watched.look(100, 3, false, |_| {}), None, "burst {burst}");
        }
        for _ in 0..14 {
            assert_eq!(watched.look(0, 0, false, |_| {}), None, "after burst {burst}");
        }
    }
}

#[test]
fn a_health_check_without_an_answer_fails_at_the_third_time() {
    let mut watched = Watched::new();
    let (looks, finding) = watched.until_found(|watched, number| {
        let health = if number % 4 == 0 { ReportedHealth::TimedOut } else { ReportedHealth::Healthy };
        watched.look(1, 0, false, with_health(health))
    });
    assert_eq!((looks, finding.fault), (12, Fault::Service));
}

#[test]
fn few_errors_must_last_five_minutes() {
    let mut watched = Watched::new();
    let (looks, finding) = watched.until_found(|watched, _| watched.look(100, 3, false, |_| {}));
    assert_eq!(looks, 31, "{finding:?}");
    // They end before: nothing happens.
    let mut watched = Watched::new();
    for number in 1..=90 {
        assert_eq!(watched.look(100, if number < 20 { 3 } else { 0 }, false, |_| {}), None);
    }
}

#[test]
fn latency_is_judged_against_the_baseline() {
    let mut watched = Watched::new();
    let (looks, finding) = watched.until_found(|watched, _| watched.look(100, 0, true, |_| {}));
    assert!(looks == 31 && finding.reason.contains("p95"), "{looks}: {finding:?}");
    let mut without = Watched::new();
    for _ in 1..=90 {
        let look = without.look(100, 0, false, |_| {});
        assert_eq!(look, None);
    }
}

#[test]
fn a_refusing_service_is_confirmed_once() {
    let mut watched = Watched::new();
    assert_eq!(watched.look(1, 0, false, with_health(ReportedHealth::Unhealthy)), None);
    let finding = watched.look(1, 0, false, with_health(ReportedHealth::Unhealthy)).unwrap();
    assert_eq!((finding.fault, finding.since.timestamp()), (Fault::Service, i64::from(CHECK)));
}

#[test]
fn a_lost_database_differs_from_an_unreachable_one() {
    let away = || report(|report| report.database = Some(false));
    let mut never = Watched::new();
    let (looks, finding) = never.until_found(|watched, _| watched.look(1, 0, false, away()));
    assert_eq!((looks, finding.fault), (2, Fault::Storage));
    let mut lost = Watched::new();
    assert_eq!(lost.look(1, 0, false, |_| {}), None);
    let (looks, finding) = lost.until_found(|watched, _| watched.look(1, 0, false, away()));
    assert_eq!((looks, finding.fault), (2, Fault::DatabaseLost));
}

#[test]
fn a_flapping_store_fails_at_the_third_time() {
    let mut watched = Watched::new();
    let (looks, finding) = watched.until_found(|watched, number| {
        let health = if number % 3 == 0 { ReportedHealth::Degraded } else { ReportedHealth::Healthy };
        watched.look(1, 0, false, with_health(health))
    });
    assert_eq!((looks, finding.fault), (9, Fault::Storage));
}

#[test]
fn a_crash_at_the_start_fails_at_once() {
    let crashed = |process: &mut SeenProcess| {
        (process.was_ready, process.state, process.report) = (false, ProcessState::Crashed, None);
    };
    let look = |age, processes| Look { at: Timestamp::UNIX_EPOCH, age: Duration::from_secs(age), processes };
    let mut process = SeenProcess { was_ready: true, state: ProcessState::Live, report: None };
    crashed(&mut process);
    let starting = SeenProcess { was_ready: false, state: ProcessState::Live, report: None };
    let observe =
        |look| observe(&mut Progress::default(), &look, &limits()).map(|found: Finding| found.fault);
    assert_eq!(
        observe(look(5, vec![process.clone(), starting.clone()])),
        None,
        "the next start is under way"
    );
    assert_eq!(
        observe(look(5, vec![process.clone(), process.clone(), starting.clone()])),
        Some(Fault::Crash)
    );
    assert_eq!(observe(look(120, vec![starting.clone()])), Some(Fault::Crash), "it never becomes healthy");
    let ready = SeenProcess { was_ready: true, ..starting };
    assert_eq!(observe(look(120, vec![process.clone(), process, ready])), None, "one serves");
}

#[test]
fn a_golden_path_that_fails_twice_is_critical() {
    let mut watched = Watched::new();
    note_smoke(&mut watched.progress, Timestamp::UNIX_EPOCH, false, "step run".to_owned());
    assert_eq!(watched.look(1, 0, false, |_| {}), None);
    note_smoke(&mut watched.progress, Timestamp::UNIX_EPOCH, false, "step run".to_owned());
    assert!(watched.look(1, 0, false, |_| {}).unwrap().reason.contains("step run"));
}

#[test]
fn a_golden_path_that_fails_now_and_then_fails_at_the_third_time() {
    let mut watched = Watched::new();
    let (looks, finding) = watched.until_found(|watched, number| {
        let at = Timestamp::UNIX_EPOCH + TimeDelta::seconds(i64::from(number * CHECK));
        note_smoke(&mut watched.progress, at, number % 2 == 0, "step run".to_owned());
        watched.look(1, 0, false, |_| {})
    });
    assert_eq!((looks, finding.fault), (5, Fault::Service));
}

#[test]
fn the_memory_survives_and_stays_small() {
    let mut watched = Watched::new();
    (0..400).for_each(|_| assert_eq!(watched.look(100, 0, false, |_| {}), None));
    let json = serde_json::to_vec(&watched.progress).unwrap();
    assert!(json.len() < 32 * 1024, "{} bytes", json.len());
    assert_eq!(serde_json::from_slice::<Progress>(&json).unwrap(), watched.progress);
}
