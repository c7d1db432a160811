//! Caches a dependency's answer, with at most one question under way.

use std::{future::Future, sync::Arc, time::Duration};

use foundation::clock::timer_now;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

/// Keeps the last answer to one question.
///
/// A caller waits at most `timeout`. A slower question continues in the background, and no second one starts
/// before it ends. So a hanging dependency costs one task and delays a caller by `timeout` at most. After
/// half of its lifetime, an answer is renewed in the background. So a frequent caller never waits.
#[derive(Debug)]
pub struct Cached<T> {
    keep: Duration,
    timeout: Duration,
    state: Arc<Mutex<State<T>>>,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<(Instant, T)>,
    /// The question under way, and since when.
    asking: Option<(Instant, watch::Receiver<Option<T>>)>,
}

impl<T: Clone + Send + Sync + 'static> Cached<T> {
    #[must_use]
    pub fn new(keep: Duration, timeout: Duration) -> Self {
        let state = State { answer: None, asking: None };
        Self { keep, timeout, state: Arc::new(Mutex::new(state)) }
    }

    /// Forgets the cached answer, because something has happened since.
    pub fn forget(&self) {
        self.state.lock().answer = None;
    }

    /// The cached answer while it is fresh, else a new one. None if no answer arrives in time.
    pub async fn get<F>(&self, ask: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let now = timer_now();
        let (since, mut answer) = {
            let mut state = self.state.lock();
            let kept = state.answer.as_ref().map(|(at, answer)| (now.duration_since(*at), answer.clone()));
            let fresh = kept.filter(|(age, _)| *age < self.keep);
            if let Some((age, answer)) = &fresh
                && *age < self.keep / 2
            {
                return Some(answer.clone());
            }
            let asking = match &state.asking {
                // A task that panicked has dropped its sender. Ask again.
                Some((since, answer)) if answer.has_changed().is_ok() => (*since, answer.clone()),
                _ => {
                    let (sender, receiver) = watch::channel(None);
                    state.asking = Some((now, receiver.clone()));
                    tokio::spawn(keep_answer(self.state.clone(), sender, ask()));
                    (now, receiver)
                }
            };
            if let Some((_, answer)) = fresh {
                return Some(answer);
            }
            asking
        };
        let deadline = since + self.timeout;
        let answered = tokio::time::timeout_at(deadline, answer.wait_for(Option::is_some)).await;
        answered.ok()?.ok()?.clone()
    }
}

async fn keep_answer<T: Clone>(
    state: Arc<Mutex<State<T>>>,
    sender: watch::Sender<Option<T>>,
    question: impl Future<Output = T>,
) {
    let answer = question.await;
    {
        let mut state = state.lock();
        state.answer = Some((timer_now(), answer.clone()));
        state.asking = None;
    }
    // There may be no waiting caller any more.
    let _ = sender.send(Some(answer));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const KEEP: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_cached_check() {
        let cached = Cached::new(KEEP, TIMEOUT);
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let asked = asked.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                asked.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let all = futures_util::future::join_all((0..100).map(|_| cached.get(ask))).await;
        assert!(all.iter().all(|answer| *answer == Some(1)), "{all:?}");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(cached.get(ask).await, Some(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(cached.get(ask).await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn frequent_callers_never_get_a_stale_answer() {
        let cached = Cached::new(KEEP, TIMEOUT);
        let ask = || async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            timer_now()
        };
        cached.get(ask).await.unwrap();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let begun = timer_now();
            let answered_at = cached.get(ask).await.unwrap();
            assert_eq!(begun.elapsed(), Duration::ZERO);
            assert!(begun.duration_since(answered_at) < KEEP);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_check_costs_callers_one_shared_timeout() {
        let cached = Cached::new(KEEP, TIMEOUT);
        let asked = AtomicUsize::new(0);
        let hang = || {
            asked.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                "late"
            }
        };
        let begun = timer_now();
        for _ in 0..10 {
            assert_eq!(cached.get(hang).await, None);
        }
        assert!(begun.elapsed() <= TIMEOUT + Duration::from_millis(1), "{:?}", begun.elapsed());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(cached.get(hang).await, Some("late"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_died_is_asked_again() {
        let cached = Cached::<u8>::new(KEEP, TIMEOUT);
        assert_eq!(cached.get(|| async { panic!("on purpose") }).await, None);
        assert_eq!(cached.get(|| async { 1 }).await, Some(1));
    }
}
