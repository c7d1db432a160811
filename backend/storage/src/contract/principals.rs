//! Whose runs they are: the id of one principal never opens the run of another.

use super::fixtures::{FINISHED_AT, Place, accepted, at, failure, lease, new_run};
use crate::{
    control_plane::Principal,
    ports::{
        lifecycle::Acceptance,
        listing::{Listing, PageStart},
        tombstones::TombstoneOutcome,
    },
    run::{End, RunSubmission},
};

fn team(name: &str) -> Principal {
    Principal::parse(name).unwrap()
}

fn run_of(principal: &Principal, id: &str) -> RunSubmission {
    let new = new_run(id, "https://a/principals");
    RunSubmission { request: new.request.of_principal(principal.clone()), ..new }
}

pub(super) async fn holds(place: &dyn Place) {
    an_id_belongs_to_one_principal(place).await;
    a_list_shows_one_principals_runs(place).await;
    a_tombstone_keeps_its_principal(place).await;
}

async fn an_id_belongs_to_one_principal(place: &dyn Place) {
    let store = place.open().await;
    let (mine, other, environment) = (team("team-a"), team("team-b"), Principal::environment());
    for (id, owner, stranger) in
        [("whose-1", &mine, &other), ("whose-2", &mine, &environment), ("whose-3", &environment, &mine)]
    {
        let new = run_of(owner, id);
        accepted(&*store, &new, "one").await;
        for lease in [None, Some(&lease("two"))] {
            let repeated = store.accept(&run_of(stranger, id), lease).await.unwrap();
            assert_eq!(repeated, Acceptance::RequestMismatch, "{id}");
            assert!(matches!(store.accept(&new, lease).await.unwrap(), Acceptance::Existing(_)), "{id}");
        }
        let loaded = store.load(&new.id).await.unwrap().unwrap();
        assert_eq!((&loaded.principal, loaded.request), (owner, Some(new.request)));
    }
}

async fn a_list_shows_one_principals_runs(place: &dyn Place) {
    let store = place.open().await;
    let mut runs = Vec::new();
    for (id, owner) in [("list-a", team("lister")), ("list-b", Principal::environment())] {
        let mut new = run_of(&owner, id);
        new.request.brand_id = "owned".parse().unwrap();
        accepted(&*store, &new, "one").await;
        runs.push(new);
    }
    let brand_id = runs.first().map(|new| new.request.brand_id.clone());
    for brand_id in [brand_id, None] {
        for new in &runs {
            let principal = Some(new.request.principal.clone());
            let start = PageStart::Offset(0);
            let listing = Listing { status: None, brand_id: brand_id.clone(), principal, start, limit: 100 };
            let page = store.list(&listing).await.unwrap();
            assert!(page.runs.iter().any(|run| run.id == new.id));
            assert!(page.runs.iter().all(|run| run.principal == new.request.principal));
            let after = PageStart::After(page.runs[0].position());
            let rest = store.list(&Listing { start: after, ..listing }).await.unwrap();
            assert_eq!(rest.runs, page.runs[1..]);
        }
    }
}

async fn a_tombstone_keeps_its_principal(place: &dyn Place) {
    let store = place.open().await;
    let (owner, environment) = (team("team-a"), Principal::environment());
    let (new, stranger) = (run_of(&owner, "buried"), run_of(&environment, "buried"));
    let fence = accepted(&*store, &new, "one").await;
    assert_eq!(store.deleted_owner(&new.id).await.unwrap(), None);
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    let done = store.create_tombstone(&new.id, &environment, None).await.unwrap();
    assert_eq!(done, TombstoneOutcome::Done { had_run: true });
    for _ in 0..2 {
        assert_eq!(store.deleted_owner(&new.id).await.unwrap().as_ref(), Some(&owner));
        assert_eq!(store.accept(&new, None).await.unwrap(), Acceptance::Deleted);
        assert_eq!(store.accept(&stranger, None).await.unwrap(), Acceptance::RequestMismatch);
        store.remove(&new.id).await.unwrap();
    }
    // The store never had this one.
    let absent = run_of(&owner, "absent");
    store.create_tombstone(&absent.id, &owner, None).await.unwrap();
    assert_eq!(store.deleted_owner(&absent.id).await.unwrap(), Some(owner));
    store.remove(&absent.id).await.unwrap();
}
