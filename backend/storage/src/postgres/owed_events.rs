//! The part of a statement that owes the frontend an event.

/// A part of a statement that changes a run: queues its webhooks. It takes a part with "id" and "generation",
/// the events' numbers, and whether webhooks are on.
macro_rules! enqueue_event {
    ($from:literal, $events:literal, $switch:literal) => {
        concat!(
            r#"owed AS (
              INSERT INTO "WebhookDelivery" ("runId", "generation", "event")
              SELECT f."id", f."generation", e FROM "#,
            $from,
            " AS f, unnest(",
            $events,
            "::int4[]) AS e WHERE ",
            $switch,
            "::bool ON CONFLICT DO NOTHING)"
        )
    };
}
pub(super) use enqueue_event;
