//! Lists runs in pages by keyset, and counts them as far as that is cheap.

use pipeline::run::RunStatus;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    control_plane::Principal,
    ports::listing::{COUNTED_MAX, Listing, PageStart, RunPage, RunSummary},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        runs::load,
        values::{principal, run_id, time},
    },
    run::StoredIn,
};

/// Excludes ids that `/run` would refuse. They are not runs of this service, and no API address can name
/// them. Excludes rows with a status word of the frontend's own too: this version cannot tell what they are.
pub(in crate::postgres) const OURS: &str = r#""id" ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$'
  AND "status" IN ('PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')
  AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = "PipelineRun"."id")"#;

/// Builds the filters. An absent filter adds no condition, because each one has its own index. $1 status, $2 brand,
/// $3 principal, which is NULL for `environment`
fn filters(listing: &Listing) -> String {
    let status = if listing.status.is_some() { r#""status" = $1::"RunStatus""# } else { "$1::text IS NULL" };
    let brand = if listing.brand_id.is_some() { r#""brandId" = $2"# } else { "$2::text IS NULL" };
    let principal = match &listing.principal {
        Some(principal) if principal.is_environment() => r#""principal" IS NULL AND $3::text IS NULL"#,
        Some(_) => r#""principal" = $3"#,
        None => "$3::text IS NULL",
    };
    format!("{OURS} AND {status} AND {brand} AND {principal}")
}

/// The order, the newest first. The server does not know that `IS NULL` leaves one value, so the order has to name the first
/// column of the index.
fn order(listing: &Listing) -> &'static str {
    let is_of_environment = listing.principal.as_ref().is_some_and(Principal::is_environment);
    if is_of_environment && listing.status.is_none() && listing.brand_id.is_none() {
        r#""principal" DESC, "createdAt" DESC, "id" DESC"#
    } else {
        r#""createdAt" DESC, "id" DESC"#
    }
}

/// Reads the keys from the index alone, then the rows of those keys. $4 and $5 the start, $6 the limit
fn page_sql(listing: &Listing) -> String {
    let filters = filters(listing);
    let order = order(listing);
    let (after, offset) = match listing.start {
        PageStart::Offset(_) => ("AND $5::text IS NULL", "OFFSET $4"),
        PageStart::After(_) => {
            (r#"AND ("createdAt", "id") < (timestamp 'epoch' + $4 * interval '1 millisecond', $5)"#, "")
        }
    };
    format!(
        r#"
SELECT r."id", r."status"::text AS "status", r."generation", r."documentName", r."brandId", r."principal",
  (extract(epoch FROM r."createdAt") * 1000)::int8 AS "created",
  (extract(epoch FROM r."completedAt") * 1000)::int8 AS "completed",
  num_nonnulls(r."stage1Output", r."stage2Output", r."stage3Output", r."stage4Output") AS "stages",
  r."errorCode", r."errorStage", r."errorMessage", r."errorCanRetry"
FROM (
  SELECT "id" AS "key" FROM "PipelineRun" WHERE {filters} {after}
  ORDER BY {order} LIMIT $6 {offset}
) AS page JOIN "PipelineRun" r ON r."id" = page."key"
ORDER BY r."createdAt" DESC, r."id" DESC"#
    )
}

/// Counts the runs up to a limit. $4 limit
fn count_sql(listing: &Listing) -> String {
    let filters = filters(listing);
    format!(
        r#"SELECT count(*)::int8 AS "total" FROM (SELECT FROM "PipelineRun" WHERE {filters} LIMIT $4) AS one"#
    )
}

/// Two round trips.
pub(in crate::postgres) async fn list(
    conn: &mut PooledConn<'_>,
    listing: &Listing,
) -> Result<RunPage, DbError> {
    let status = listing.status.map(load::word);
    let brand = listing.brand_id.as_ref().map(pipeline::brand::BrandId::as_str);
    let owner = listing.principal.as_ref().and_then(Principal::stored);
    let (from, id) = match &listing.start {
        PageStart::Offset(offset) => (count(*offset), None),
        PageStart::After(position) => (position.created_at.timestamp_millis(), Some(position.run.as_str())),
    };
    // The server plans each statement anew for these filters.
    let rows = sqlx::query(sqlx::AssertSqlSafe(page_sql(listing)))
        .persistent(false)
        .bind(status)
        .bind(brand)
        .bind(owner)
        .bind(from)
        .bind(id)
        .bind(count(listing.limit + 1))
        .fetch_all(conn.connection()?)
        .await?;
    let total = sqlx::query(sqlx::AssertSqlSafe(count_sql(listing)))
        .persistent(false)
        .bind(status)
        .bind(brand)
        .bind(owner)
        .bind(count(COUNTED_MAX + 1))
        .fetch_one(conn.connection()?)
        .await?;
    let total = usize::try_from(total.try_get::<i64, _>("total")?).unwrap_or(0);
    let runs = rows.iter().take(listing.limit).map(summary).collect::<Result<Vec<_>, _>>()?;
    Ok(RunPage {
        runs,
        has_next: rows.len() > listing.limit,
        total: total.min(COUNTED_MAX),
        is_total_exact: total <= COUNTED_MAX,
        stored_in: StoredIn::DATABASE,
    })
}

pub(super) fn summary(row: &PgRow) -> Result<RunSummary, DbError> {
    let status: RunStatus = load::status(row.try_get("status")?)?;
    let brand: Option<String> = row.try_get("brandId")?;
    let stages: i32 = row.try_get("stages")?;
    Ok(RunSummary {
        id: run_id(row.try_get("id")?)?,
        status,
        generation: row.try_get("generation")?,
        source: row.try_get("documentName")?,
        brand_id: brand.and_then(|brand| brand.parse().ok()),
        principal: principal(row)?,
        created_at: time(row.try_get("created")?).unwrap_or_default(),
        finished_at: time(row.try_get("completed")?),
        stages: usize::try_from(stages).unwrap_or(0),
        failure: load::failure(row)?,
    })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
