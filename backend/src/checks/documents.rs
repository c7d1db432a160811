//! The readers of documents, and what confines them.

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};

pub(super) fn reader(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("document-reader", "Documents are read, in a sandbox", Severity::Critical, move || {
        let readers = deps.readers.clone();
        async move {
            if let Err(error) = readers.self_test().await {
                return Finding::fail(format!("the reader cannot read its own sample: {}", error.code()))
                    .next("innovation extract FILE");
            }
            let Some(report) = readers.report() else {
                return Finding::could_not_check("the reader did not say what confines it");
            };
            let told = format!(
                "Landlock ABI {}, seccomp {}",
                report.landlock_abi,
                if report.seccomp { "on" } else { "off" }
            );
            match report.is_confined() {
                true => Finding::ok(format!("the reader is confined: {told}")),
                false => Finding::warn(format!("this kernel confines the reader only in part: {told}"))
                    .next("uname -r"),
            }
            .with(report)
        }
    })
}

pub(super) fn ocr(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("ocr", "Scanned pages are read", Severity::Minor, move || {
        let readers = deps.readers.clone();
        async move {
            readers.probe_ocr().await;
            let report = readers.ocr_report();
            let finding = match (report.setting, report.available) {
                ("off", _) => Finding::ok("does not apply: OCR is off"),
                (_, Some(true)) => {
                    Finding::ok(format!("{} reads scanned pages", report.engine.as_deref().unwrap_or("OCR")))
                }
                _ => Finding::warn(
                    report.reason.clone().unwrap_or_else(|| "scanned pages are not read".to_owned()),
                )
                .next("OCR=off"),
            };
            finding.with(report)
        }
    })
}
