//! A limited number of slots, which users get in turn.
//!
//! Each user has a line. A free slot goes to the first line, which then goes to the end of the ring. So a user
//! with a thousand documents delays another user by one document for each slot.
//!
//! Repeat offenders wait longer: all of them together never hold the last slot. They follow the
//! others, and [`OFFENDER_TIMEOUT`] bounds their wait.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::sync::oneshot;

use super::offences::{Offences, Requester};

/// How long a repeat offender follows after the others.
const OFFENDER_TIMEOUT: Duration = Duration::from_secs(60);

/// Slots, and the lines before them.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    size: usize,
    offences: Arc<Mutex<Offences>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    taken_by_offenders: usize,
    ring: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    requester: Requester,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Duration,
    grant: oneshot::Sender<Slot>,
}

/// A slot. Dropped, it goes to the next one in turn.
#[derive(Debug)]
pub(super) struct Slot {
    /// None if nobody took the slot.
    slots: Option<Arc<Inner>>,
    is_offender: bool,
}

impl Slots {
    pub(super) fn new(size: usize, offences: Arc<Mutex<Offences>>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), size, offences, clock }))
    }

    /// Waits for a slot in turn. None if the slots have gone, which cannot happen while they are borrowed.
    pub(super) async fn take(&self, requester: &Requester) -> Option<Slot> {
        let (grant, granted) = oneshot::channel();
        let waiting = Waiting { since: self.0.clock.monotonic(), grant };
        {
            let mut state = self.0.state.lock();
            match state.ring.iter_mut().find(|line| line.requester == *requester) {
                Some(line) => line.waiting.push_back(waiting),
                None => {
                    let line = Line { requester: requester.clone(), waiting: VecDeque::from([waiting]) };
                    state.ring.push_back(line);
                }
            }
            Inner::grant(&self.0, &mut state);
        }
        granted.await.ok()
    }
}

impl Inner {
    /// Gives free slots to those whose turn it is.
    fn grant(this: &Arc<Self>, state: &mut State) {
        while state.taken < this.size {
            let Some((at, is_offender)) = this.next(state) else { return };
            let Some(mut line) = state.ring.remove(at) else { return };
            let next = line.waiting.pop_front();
            if !line.waiting.is_empty() {
                state.ring.push_back(line);
            }
            let slot = Slot { slots: Some(this.clone()), is_offender };
            // One who went away returns the slot.
            match next.map(|next| next.grant.send(slot)) {
                Some(Ok(())) => {
                    state.taken += 1;
                    state.taken_by_offenders += usize::from(is_offender);
                }
                Some(Err(mut returned)) => returned.slots = None,
                None => {}
            }
        }
    }

    /// The line whose turn it is, and whether it is a repeat offender's.
    fn next(&self, state: &State) -> Option<(usize, bool)> {
        let now = self.clock.monotonic();
        let offences = self.offences.lock();
        let may_offenders = state.taken_by_offenders < self.size.saturating_sub(1).max(1);
        let mut last = None;
        for (at, line) in state.ring.iter().enumerate() {
            if !offences.are_repeated(&line.requester, now) {
                return Some((at, false));
            }
            if !may_offenders {
                continue;
            }
            let since = line.waiting.front().map_or(now, |first| first.since);
            if now.saturating_sub(since) >= OFFENDER_TIMEOUT {
                return Some((at, true));
            }
            last = last.or(Some((at, true)));
        }
        last
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(slots) = self.slots.take() else { return };
        let mut state = slots.state.lock();
        state.taken = state.taken.saturating_sub(1);
        state.taken_by_offenders = state.taken_by_offenders.saturating_sub(usize::from(self.is_offender));
        Inner::grant(&slots, &mut state);
    }
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;
    use tokio::task::JoinHandle;

    use super::*;

    struct Bench {
        slots: Slots,
        offences: Arc<Mutex<Offences>>,
        clock: Arc<dyn Clock>,
        order: Arc<Mutex<Vec<String>>>,
    }

    impl Bench {
        fn new(size: usize) -> Self {
            let (offences, clock) = (Arc::default(), Arc::new(SystemClock::default()));
            let slots = Slots::new(size, Arc::clone(&offences), clock.clone());
            Self { slots, offences, clock, order: Arc::default() }
        }

        /// Takes a slot as this user and keeps it.
        async fn hold(&self, user: &str) -> Slot {
            self.slots.take(&Requester::User(user.to_owned())).await.unwrap()
        }

        /// Lines up as this user, notes when its turn comes, and gives the slot back.
        async fn line_up(&self, user: &str) -> JoinHandle<()> {
            let (slots, order, user) = (self.slots.clone(), self.order.clone(), user.to_owned());
            let waiting = tokio::spawn(async move {
                let slot = slots.take(&Requester::User(user.clone())).await;
                order.lock().push(user);
                drop(slot);
            });
            tokio::task::yield_now().await;
            waiting
        }

        fn offend(&self, user: &str) {
            for _ in 0..2 {
                self.offences.lock().note(&Requester::User(user.to_owned()), self.clock.monotonic());
            }
        }

        async fn order(&self, waiting: Vec<JoinHandle<()>>) -> String {
            for one in waiting {
                one.await.unwrap();
            }
            self.order.lock().join(" ")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn users_take_turns() {
        let bench = Bench::new(1);
        let held = bench.hold("a").await;
        let mut waiting = Vec::new();
        for user in ["a", "a", "a", "a", "b", "c", "b"] {
            waiting.push(bench.line_up(user).await);
        }
        drop(held);
        assert_eq!(bench.order(waiting).await, "a b c a b a a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_left_costs_no_slot() {
        let bench = Bench::new(1);
        let held = bench.hold("a").await;
        let left = bench.line_up("b").await;
        let stays = bench.line_up("c").await;
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        drop(held);
        assert_eq!(bench.order(vec![stays]).await, "c");
        drop(bench.hold("d").await);
        assert_eq!(bench.slots.0.state.lock().taken, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn repeat_offenders_leave_a_slot_to_others() {
        let bench = Bench::new(2);
        for offender in ["x", "y"] {
            bench.offend(offender);
        }
        let held = bench.hold("x").await;
        let offender = bench.line_up("y").await;
        assert!(bench.order.lock().is_empty());
        drop(bench.hold("a").await);
        drop(held);
        assert_eq!(bench.order(vec![offender]).await, "y");
    }

    #[tokio::test(start_paused = true)]
    async fn repeat_offenders_follow_after_others_for_a_time() {
        let bench = Bench::new(1);
        bench.offend("x");
        let held = bench.hold("a").await;
        let mut waiting = vec![bench.line_up("x").await, bench.line_up("b").await];
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(held);
        waiting.push(bench.line_up("c").await);
        assert_eq!(bench.order(std::mem::take(&mut waiting)).await, "b x c");
        bench.order.lock().clear();
        bench.offend("x");
        let held = bench.hold("a").await;
        let mut waiting = vec![bench.line_up("x").await, bench.line_up("b").await];
        tokio::time::advance(OFFENDER_TIMEOUT).await;
        waiting.push(bench.line_up("c").await);
        drop(held);
        assert_eq!(bench.order(waiting).await, "x b c");
    }
}
