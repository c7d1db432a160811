//! Parts of statements that write the frontend's `StageOutput` rows together with the change that they show.
//! The frontend takes the highest row for the current step, so each step gets a row at its start.
//!
//! Every part depends on the rows that a fenced `UPDATE` returns. A stale worker, or one whose row was
//! deleted, writes nothing.

/// The names of the steps by number, as in `frontend_rows::STEP_NAMES`.
macro_rules! step_names {
    () => {
        "(ARRAY['Input Processing', 'Signal Amplification', 'General Translation', 'Brand Contextualization', \
         'Opportunity Generation'])"
    };
}
pub(in crate::postgres) use step_names;

/// The current step of a row of `PipelineRun`: its first missing stage, or the report.
macro_rules! step_of_row {
    () => {
        r#"CASE WHEN "stage1Output" IS NULL THEN 1 WHEN "stage2Output" IS NULL THEN 2
             WHEN "stage3Output" IS NULL THEN 3 WHEN "stage4Output" IS NULL THEN 4 ELSE 5 END"#
    };
}
pub(in crate::postgres) use step_of_row;

/// A record's payload: a stage's column without `meta`. A column without an object counts as empty.
macro_rules! payload {
    ($column:literal) => {
        concat!(
            "CASE jsonb_typeof(",
            $column,
            ") WHEN 'object' THEN ",
            $column,
            " - 'meta' ELSE '{}'::jsonb END"
        )
    };
}
pub(in crate::postgres) use payload;

/// Inserts the row of a step that begins. It takes a part with "id" and "step".
macro_rules! begin_step {
    ($from:literal) => {
        concat!(
            r#"begun AS (
              INSERT INTO "StageOutput" AS o ("id", "runId", "stageNumber", "stageName", "status", "output", "createdAt")
              SELECT gen_random_uuid()::text, f."id", f."step", "#,
            crate::postgres::stages::frontend_steps::step_names!(),
            r#"[f."step"], 'PROCESSING', '', now() AT TIME ZONE 'UTC' FROM "#,
            $from,
            r#" AS f
              ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = 'PROCESSING', "output" = '', "completedAt" = NULL
              WHERE o."status" <> 'PROCESSING' OR o."output" <> '')"#
        )
    };
}
pub(in crate::postgres) use begin_step;

/// Ends the step at which the run stops. It takes a part with "id", "step", "status" and "completedAt", and
/// the output.
macro_rules! end_at_step {
    ($from:literal, $output:literal) => {
        concat!(
            r#"stopped_at AS (
              INSERT INTO "StageOutput" AS o ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt",
                "createdAt")
              SELECT gen_random_uuid()::text, f."id", f."step", "#,
            crate::postgres::stages::frontend_steps::step_names!(),
            r#"[f."step"], f."status", "#,
            $output,
            r#", f."completedAt", now() AT TIME ZONE 'UTC' FROM "#,
            $from,
            r#" AS f
              ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status",
                "output" = EXCLUDED."output", "completedAt" = EXCLUDED."completedAt")"#
        )
    };
}
pub(in crate::postgres) use end_at_step;

/// A run's duration as the frontend shows it: whole seconds, at least one. It takes the end in milliseconds.
macro_rules! seconds_until {
    ($at:literal) => {
        concat!(
            "LEAST(GREATEST(round((",
            $at,
            r#"::int8 - extract(epoch FROM "createdAt") * 1000) / 1000.0), 1), 2147483647)::int4"#
        )
    };
}
pub(in crate::postgres) use seconds_until;

#[cfg(test)]
mod tests {
    use crate::frontend_rows::STEP_NAMES;

    #[test]
    fn the_names_are_those_of_the_frontend() {
        for name in STEP_NAMES {
            assert!(step_names!().contains(&format!("'{name}'")), "{name}");
        }
    }
}
