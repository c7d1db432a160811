//! Gathers what concurrent callers ask of a store: what arrives while a group is under way goes together into the next one.
//!
//! The runs' writes to the database have the combiner, in which the caller's own task sends the statement. Here a task of its
//! own sends the group, because a caller may leave at any time: a cancelled run must not take the answers of the others along.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{StorageError, StorageErrorKind};

/// The most questions of a group. More save little: the round trip, or the flush, is a small part of its time by then.
const GROUP_MAX: usize = 64;

/// The most bytes of a group, unless one question alone has more.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most questions in line. A replica works on fewer runs at once, and each asks one question at a time.
const LINE_MAX: usize = 16_384;

/// One question of a group.
pub(crate) trait Asked: Send + 'static {
    /// The most questions of this kind in a group.
    const TOGETHER_MAX: usize = GROUP_MAX;

    /// Two questions with the same key never share a group.
    type Key: Eq + Hash;

    fn key(&self) -> Self::Key;

    /// About as many bytes as it adds to the group.
    fn bytes(&self) -> usize;
}

/// The answers to the questions of one group, in their order.
pub(crate) type Answers<A, E = StorageError> = Result<Vec<A>, E>;

/// Gathers questions of one kind. Clones share the line.
#[derive(Debug)]
pub(crate) struct Gather<Q, A>(Arc<Mutex<Line<Q, A>>>);

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Default for Gather<Q, A> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Line { is_sending: false, waiting: VecDeque::new() })))
    }
}

#[derive(Debug)]
struct Line<Q, A> {
    /// Whether a task sends what waits.
    is_sending: bool,
    waiting: VecDeque<Waiting<Q, A>>,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    asked: Q,
    tell: oneshot::Sender<Result<A, StorageError>>,
}

/// The right to send. Dropped early, by a panic or with the runtime, it leaves nobody waiting.
struct Turn<Q, A> {
    line: Arc<Mutex<Line<Q, A>>>,
    is_over: bool,
}

impl<Q, A> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut line = self.line.lock();
            line.is_sending = false;
            line.waiting.clear();
        }
    }
}

impl<Q: Asked, A: Send + 'static> Gather<Q, A> {
    /// Asks together with those that wait. `send` sends one group.
    pub(crate) async fn ask<F>(
        &self,
        asked: Q,
        send: impl Fn(Vec<Q>) -> F + Send + 'static,
    ) -> Result<A, StorageError>
    where
        F: Future<Output = Answers<A>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut line = self.0.lock();
            if line.waiting.len() >= LINE_MAX {
                return Err(StorageError::new(StorageErrorKind::Unavailable, "too many questions wait"));
            }
            line.waiting.push_back(Waiting { asked, tell });
            !std::mem::replace(&mut line.is_sending, true)
        };
        if is_first {
            tokio::spawn(send_all(Turn { line: self.0.clone(), is_over: false }, send));
        }
        told.await.unwrap_or_else(|_| {
            let what = "the task that sent the group ended before it";
            Err(StorageError::new(StorageErrorKind::Indeterminate, what))
        })
    }
}

async fn send_all<Q: Asked, A, F>(mut turn: Turn<Q, A>, send: impl Fn(Vec<Q>) -> F)
where
    F: Future<Output = Answers<A>>,
{
    loop {
        let group = {
            let mut line = turn.line.lock();
            let group = next_group(&mut line.waiting);
            if group.is_empty() {
                line.is_sending = false;
                turn.is_over = true;
                return;
            }
            group
        };
        let (asked, tells): (Vec<Q>, Vec<_>) = group.into_iter().map(|one| (one.asked, one.tell)).unzip();
        match send(asked).await {
            // A caller that has left needs no answer.
            Ok(answers) => {
                tells.into_iter().zip(answers).for_each(|(tell, answer)| drop(tell.send(Ok(answer))))
            }
            Err(error) => {
                // The next group would wait as long for the same store, but not for the same lock.
                let waiting = if error.is_of_a_lock() {
                    VecDeque::new()
                } else {
                    std::mem::take(&mut turn.line.lock().waiting)
                };
                let tells = tells.into_iter().chain(waiting.into_iter().map(|one| one.tell));
                tells.for_each(|tell| drop(tell.send(Err(error.clone()))));
            }
        }
    }
}

/// Takes what goes into the next group, first come, first served. A caller that has left is passed over.
fn next_group<Q: Asked, A>(waiting: &mut VecDeque<Waiting<Q, A>>) -> Vec<Waiting<Q, A>> {
    let (mut group, mut left) = (Vec::new(), Vec::new());
    let (mut keys, mut bytes) = (HashSet::new(), 0_usize);
    while group.len() < Q::TOGETHER_MAX
        && let Some(one) = waiting.pop_front()
    {
        if one.tell.is_closed() {
            continue;
        }
        bytes = bytes.saturating_add(one.asked.bytes());
        if bytes > BYTES_MAX && !group.is_empty() {
            left.push(one);
            break;
        }
        if keys.insert(one.asked.key()) {
            group.push(one);
        } else {
            left.push(one);
        }
    }
    for one in left.into_iter().rev() {
        waiting.push_front(one);
    }
    group
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Number(u32);

    impl Asked for Number {
        const TOGETHER_MAX: usize = 24;
        type Key = u32;

        fn key(&self) -> u32 {
            self.0
        }

        fn bytes(&self) -> usize {
            BYTES_MAX / 32
        }
    }

    type Sent = Arc<Mutex<Vec<Vec<u32>>>>;

    /// Doubles each number after a while, and notes each group. The number 13 fails, and 14 finds a lock.
    async fn ask(gather: Gather<Number, u32>, sent: Sent, number: u32) -> Result<u32, StorageError> {
        let send = move |group: Vec<Number>| {
            let numbers: Vec<u32> = group.iter().map(|one| one.0).collect();
            sent.lock().push(numbers.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if numbers.contains(&13) {
                    return Err(StorageError::new(StorageErrorKind::Unavailable, "thirteen"));
                }
                if numbers.contains(&14) {
                    let error = StorageError::new(StorageErrorKind::Unavailable, "fourteen");
                    return Err(error.with_sqlstate("55P03"));
                }
                Ok(numbers.iter().map(|number| number * 2).collect())
            }
        };
        gather.ask(Number(number), send).await
    }

    #[tokio::test(start_paused = true)]
    async fn questions_share_groups_and_each_is_answered() {
        let (gather, sent) = (Gather::default(), Sent::default());
        let asking = (0..100).map(|number| ask(gather.clone(), sent.clone(), 20 + number % 50));
        let answers = futures_util::future::join_all(asking).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap() as usize, (20 + number % 50) * 2);
        }
        let sent = sent.lock();
        assert!(sent.len() < 8, "{sent:?}");
        for group in &*sent {
            let distinct: HashSet<_> = group.iter().collect();
            assert!(distinct.len() == group.len() && group.len() <= 24, "{group:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_and_a_lost_caller_hold_nobody_up() {
        let (gather, sent) = (Gather::default(), Sent::default());
        let asking = [1, 13, 2].map(|number| ask(gather.clone(), sent.clone(), number));
        let answers = futures_util::future::join_all(asking).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 3, "they share its group");
        // Its caller leaves while the group is under way, and the next one is answered.
        let leaving = ask(gather.clone(), sent.clone(), 3);
        assert!(tokio::time::timeout(Duration::from_millis(1), leaving).await.is_err());
        assert_eq!(ask(gather, sent.clone(), 4).await.unwrap(), 8);
        assert_eq!(*sent.lock(), [vec![1, 13, 2], vec![3], vec![4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_fails_no_line_and_an_outage_does() {
        for (failing, is_answered) in [(14, true), (13, false)] {
            let (gather, sent) = (Gather::default(), Sent::default());
            let first = tokio::spawn(ask(gather.clone(), sent.clone(), failing));
            tokio::time::sleep(Duration::from_millis(1)).await;
            let next = ask(gather, sent.clone(), 5).await;
            assert!(first.await.unwrap().is_err());
            assert_eq!(next.is_ok(), is_answered, "{failing}");
        }
    }
}
