//! The faults, their targets and times: computed from a seed before anything begins, so that a seed replays them.

use std::{fmt, ops::Range, time::Duration};

/// How many replicas there are.
pub(super) const REPLICAS: usize = 3;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// PostgreSQL is shut down; its clients are told.
    StopPostgres,
    /// SIGKILL to PostgreSQL and all its processes.
    KillPostgres,
    /// The packets between these replicas and PostgreSQL are swallowed.
    Partition([bool; REPLICAS]),
    /// SIGKILL to a replica, which is started again on its disk.
    Kill(usize),
    /// SIGSTOP, then SIGCONT.
    Pause(usize),
    /// The database is backed up when this begins, and the backup is restored when it ends.
    RestoreBackup,
    /// The migration of the stage outputs is rolled back with its columns, and deployed again at the end.
    RollBackMigration,
    /// A replica's disk takes next to nothing, or its bucket does not answer.
    LoseFiles(usize),
    /// The model's next answers are none.
    Model(Misbehaviour, usize),
    /// The model's endpoint answers nobody.
    ModelOutage(Misbehaviour),
    /// The operator flips the storage flags, for all replicas.
    Flags(Flip),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misbehaviour {
    RateLimit,
    ServerError,
    Reset,
    Hang,
    Garbage,
    Truncated,
}

impl Misbehaviour {
    const ALL: [Self; 6] =
        [Self::RateLimit, Self::ServerError, Self::Reset, Self::Hang, Self::Garbage, Self::Truncated];
    /// Those of an endpoint that is away.
    const OUTAGES: [Self; 3] = [Self::RateLimit, Self::ServerError, Self::Reset];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flip {
    FileOnly,
    DatabaseOnly,
    /// All storage off: refused, the last good flags stay.
    Invalid,
    /// Half a line, as of a file that is being written: refused too.
    Torn,
}

/// One fault, from when, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) fault: Fault,
}

impl Event {
    pub(super) fn until(&self) -> Duration {
        self.at + self.lasts
    }

    fn overlaps(&self, other: &Self, margin: Duration) -> bool {
        self.at < other.until() + margin && other.at < self.until() + margin
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7.2} s, for {:4.2} s: {:?}", self.at.as_secs_f64(), self.lasts.as_secs_f64(), self.fault)
    }
}

/// Faults of one lane never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Postgres,
    Network,
    Process(usize),
    Files,
    Model,
    Flags,
}

impl Fault {
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::StopPostgres | Self::KillPostgres | Self::RestoreBackup | Self::RollBackMigration => {
                Lane::Postgres
            }
            Self::Partition(_) => Lane::Network,
            Self::Kill(replica) | Self::Pause(replica) => Lane::Process(replica),
            Self::LoseFiles(_) => Lane::Files,
            Self::Model(..) | Self::ModelOutage(_) => Lane::Model,
            Self::Flags(_) => Lane::Flags,
        }
    }

    /// Whether the database is out of reach, or not written to, for some replica.
    fn needs_files(self) -> bool {
        match self {
            Self::StopPostgres | Self::KillPostgres | Self::Partition(_) => true,
            Self::RestoreBackup | Self::RollBackMigration => true,
            Self::Flags(flip) => flip == Flip::FileOnly,
            _ => false,
        }
    }

    /// Whether what only the database holds is lost by it.
    fn loses_rows(self) -> bool {
        matches!(self, Self::RestoreBackup | Self::RollBackMigration)
    }

    /// Whether it may interrupt a model call of this replica, or keep its answer from being stored.
    pub(super) fn interrupts(self, replica: usize) -> bool {
        match self {
            Self::StopPostgres | Self::KillPostgres | Self::RestoreBackup | Self::RollBackMigration => true,
            Self::Partition(cut) => cut[replica],
            Self::Kill(target) | Self::Pause(target) => target == replica,
            Self::LoseFiles(_) | Self::Model(..) | Self::ModelOutage(_) | Self::Flags(_) => false,
        }
    }
}

/// Random numbers from a seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(super) fn between(&mut self, millis: Range<u64>) -> Duration {
        Duration::from_millis(millis.start + self.next() % (millis.end - millis.start))
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// The kinds of a round: each comes at least once before any comes again. Which replica is left to chance.
const ROUND: usize = 12;

fn fault(kind: usize, random: &mut Random) -> (Fault, Duration) {
    let replica = random.below(REPLICAS);
    match kind {
        0 => (Fault::StopPostgres, random.between(500..5_000)),
        1 => (Fault::KillPostgres, random.between(500..5_000)),
        2 => (Fault::Partition([true; REPLICAS]), random.between(500..6_000)),
        3 => (Fault::Partition(std::array::from_fn(|other| other == replica)), random.between(500..8_000)),
        4 | 5 => (Fault::Kill(replica), random.between(50..3_000)),
        // Shorter than a lease, and longer.
        6 => (Fault::Pause(replica), random.between(300..2_500)),
        7 => (Fault::Pause(replica), random.between(3_500..7_000)),
        8 | 9 => {
            let kind = random.one_of(&Misbehaviour::ALL);
            (Fault::Model(kind, 1 + random.below(2)), Duration::ZERO)
        }
        10 => (Fault::Flags(Flip::FileOnly), random.between(1_000..5_000)),
        _ => {
            let flip = random.one_of(&[Flip::DatabaseOnly, Flip::Invalid, Flip::Torn]);
            (Fault::Flags(flip), random.between(1_000..4_000))
        }
    }
}

/// The faults that come once in a soak, each at a time of its own: the others are drawn around them.
fn once(random: &mut Random, soak: Duration) -> Vec<Event> {
    let soak_millis = u64::try_from(soak.as_millis()).unwrap();
    let mut within = |percent: Range<u64>| {
        random.between(soak_millis * percent.start / 100..soak_millis * percent.end / 100)
    };
    let (rollback, files, backup, outage) = (within(5..20), within(38..45), within(60..80), within(20..60));
    // Minutes in a soak of ten, and seconds in the suite's.
    let outage_lasts = soak / 8;
    vec![
        Event { at: rollback, lasts: random.between(2_000..4_000), fault: Fault::RollBackMigration },
        Event {
            at: files,
            lasts: random.between(3_000..5_000),
            fault: Fault::LoseFiles(random.below(REPLICAS)),
        },
        Event { at: backup, lasts: random.between(2_000..5_000), fault: Fault::RestoreBackup },
        Event {
            at: outage,
            lasts: outage_lasts,
            fault: Fault::ModelOutage(random.one_of(&Misbehaviour::OUTAGES)),
        },
    ]
}

/// Whether two faults may not meet, because a run needs one of the two stores.
fn excludes(event: &Event, other: &Event) -> bool {
    // From the loss of one store to any time without the other.
    const APART: Duration = Duration::from_secs(3);
    let loses_files = matches!(other.fault, Fault::LoseFiles(_));
    if loses_files && event.fault.needs_files() && event.overlaps(other, APART) {
        return true;
    }
    // A row that only the database holds comes back from no file. A backup has the rows from before it.
    let is_before = other.fault == Fault::RollBackMigration && event.at < other.at;
    event.fault == Fault::Flags(Flip::DatabaseOnly)
        && other.fault.loses_rows()
        && (is_before || event.overlaps(other, APART))
}

/// The faults of a soak, in order. The last ones end with it; the replicas recover afterwards.
pub(super) fn schedule(seed: u64, soak: Duration) -> Vec<Event> {
    // Between two faults of one kind: long enough for a restart to be over, mostly.
    const REST: Duration = Duration::from_millis(1_500);
    let mut random = Random::new(seed);
    let mut events = once(&mut random, soak);
    let fixed = events.clone();
    let mut round: Vec<usize> = Vec::new();
    let mut at = Duration::from_millis(500);
    loop {
        at += random.between(200..1_300);
        if round.is_empty() {
            round = (0..ROUND).collect();
            random.shuffle(&mut round);
        }
        let mut chosen = None;
        for (position, kind) in round.iter().enumerate() {
            let (fault, lasts) = fault(*kind, &mut random);
            let event = Event { at, lasts, fault };
            let is_busy =
                events.iter().any(|it| it.fault.lane() == fault.lane() && it.overlaps(&event, REST));
            let is_excluded = fixed.iter().any(|other| excludes(&event, other));
            if event.until() <= soak && !is_busy && !is_excluded {
                chosen = Some((position, event));
                break;
            }
        }
        if let Some((position, event)) = chosen {
            round.remove(position);
            events.push(event);
        }
        if at >= soak {
            events.sort_by_key(|event| event.at);
            return events;
        }
    }
}

#[test]
fn a_seed_gives_one_schedule_with_all_faults() {
    let soak = Duration::from_secs(60);
    for seed in 0..50 {
        let events = schedule(seed, soak);
        assert_eq!(events, schedule(seed, soak));
        assert!(events.iter().all(|event| event.until() <= soak), "{events:#?}");
        let has = |is_wanted: fn(Fault) -> bool| events.iter().any(|event| is_wanted(event.fault));
        assert!(has(|fault| fault == Fault::StopPostgres) && has(|fault| fault == Fault::KillPostgres));
        assert!(
            has(|fault| matches!(fault, Fault::Partition(_))) && has(|fault| matches!(fault, Fault::Kill(_)))
        );
        assert!(
            has(|fault| matches!(fault, Fault::Pause(_))) && has(|fault| matches!(fault, Fault::Model(..)))
        );
        assert!(has(|fault| matches!(fault, Fault::Flags(_))));
        for lane in [Lane::Postgres, Lane::Model, Lane::Files, Lane::Flags] {
            let of_lane: Vec<&Event> = events.iter().filter(|event| event.fault.lane() == lane).collect();
            assert!(
                of_lane.windows(2).all(|pair| !pair[0].overlaps(pair[1], Duration::ZERO)),
                "{of_lane:#?}"
            );
        }
        for once in [Fault::RestoreBackup, Fault::RollBackMigration] {
            assert_eq!(events.iter().filter(|event| event.fault == once).count(), 1);
            assert!(once.loses_rows());
        }
        let files: Vec<&Event> = events.iter().filter(|event| event.fault.lane() == Lane::Files).collect();
        assert_eq!(files.len(), 1);
        assert!(!events.iter().any(|it| it.fault.needs_files() && it.overlaps(files[0], Duration::ZERO)));
    }
    assert_ne!(schedule(1, soak), schedule(2, soak));
}
