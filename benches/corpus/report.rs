//! The figures of a corpus, as a table for people and as JSON.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    agreement::{Agreement, compare, words},
    own::{Cost, Own},
    reference::Reference,
};

/// How many of the worst files the table names.
const NAMED: usize = 10;

/// A file beside one reference.
struct Compared {
    file: usize,
    agreement: Agreement,
    /// The reference's number of pages, if it differs.
    other_pages: Option<usize>,
}

/// A reference and its figures.
struct Beside {
    name: &'static str,
    pages_per_second: Option<f64>,
    files: Vec<Compared>,
    /// The files that only the reference could read.
    missed: Vec<usize>,
}

/// Pages per second, by the clock and by the CPU's time.
struct Speed {
    by_clock: f64,
    by_cpu: f64,
}

impl Speed {
    fn of(pages: usize, cost: Cost) -> Self {
        let per = |time: Duration| pages as f64 / time.as_secs_f64().max(f64::EPSILON);
        Self { by_clock: per(cost.elapsed), by_cpu: per(cost.cpu) }
    }

    fn print(&self, what: &str) {
        println!("{what:<40} {:>9.0} {:>20.0}", self.by_clock, self.by_cpu);
    }
}

pub(crate) struct Report {
    folder: PathBuf,
    all: Vec<Own>,
    pages: usize,
    isolated: Speed,
    in_process: Speed,
    beside: Vec<Beside>,
}

impl Report {
    pub(crate) fn new(
        folder: &Path,
        all: Vec<Own>,
        isolated: Cost,
        in_process: Cost,
        references: &[Reference],
    ) -> Self {
        let pages = all.iter().map(Own::pages).sum();
        let own_words: Vec<Option<Vec<String>>> =
            all.iter().map(|own| own.text().map(|text| words(&text))).collect();
        let beside = references.iter().map(|reference| beside(&all, &own_words, reference)).collect();
        Self {
            folder: folder.to_owned(),
            pages,
            isolated: Speed::of(pages, isolated),
            in_process: Speed::of(pages, in_process),
            all,
            beside,
        }
    }

    fn name(&self, file: usize) -> String {
        let path = self.all.get(file).map(|own| own.file.as_path()).unwrap_or(&self.folder);
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    pub(crate) fn print(&self) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!(
            "{}: {} files, {} pages; {cores} cores, load {}",
            self.folder.display(),
            self.all.len(),
            self.pages,
            load.split(' ').next().unwrap_or_default()
        );
        println!("\n{:<40} {:>9} {:>20}", "", "pages/s", "pages per CPU second");
        self.isolated.print("in confined children, two at once");
        self.in_process.print("in this process, one after the other");
        for beside in &self.beside {
            if let Some(speed) = beside.pages_per_second {
                println!("{:<40} {speed:>9.0}", format!("{}, one after the other", beside.name));
            }
        }
        println!(
            "\n{:<14} {:>6} {:>7} {:>7} {:>10} {:>7} {:>7} {:>7} {:>7} {:>7}",
            "reference", "files", "recall", "p5", "precision", "p5", "order", "p5", "pages≠", "unread"
        );
        for beside in &self.beside {
            self.print_beside(beside);
        }
        self.print_worst();
        println!("\nslowest files, in this process");
        for file in self.slowest() {
            let own = &self.all[file];
            let ms = own.in_process.unwrap_or_default().as_secs_f64() * 1000.0;
            println!("{ms:>9.0} ms {:>6} pages  {}", own.pages(), self.name(file));
        }
        println!("\nrefused");
        for (code, files) in self.errors() {
            let names: Vec<String> = files.iter().take(NAMED).map(|file| self.name(*file)).collect();
            println!("{:>6}  {code}: {}", files.len(), names.join(", "));
        }
    }

    fn print_beside(&self, beside: &Beside) {
        let figure = |of: fn(&Agreement) -> f64| {
            let values: Vec<f64> = beside.files.iter().map(|file| of(&file.agreement)).collect();
            summary(values)
        };
        let (recall, precision, order) =
            (figure(|it| it.recall), figure(|it| it.precision), figure(|it| it.order));
        let differ = beside.files.iter().filter(|file| file.other_pages.is_some()).count();
        println!(
            "{:<14} {:>6} {:>7.4} {:>7.4} {:>10.4} {:>7.4} {:>7.4} {:>7.4} {differ:>7} {:>7}",
            beside.name,
            beside.files.len(),
            recall.0,
            recall.1,
            precision.0,
            precision.1,
            order.0,
            order.1,
            beside.missed.len()
        );
    }

    fn print_worst(&self) {
        for beside in &self.beside {
            let mut files: Vec<&Compared> = beside.files.iter().collect();
            files.sort_by(|a, b| a.agreement.recall.total_cmp(&b.agreement.recall));
            println!("\nleast recall beside {}", beside.name);
            for Compared { file, agreement: Agreement { recall, precision, order }, .. } in
                files.iter().take(NAMED)
            {
                println!("{recall:>9.4} (precision {precision:.4}, order {order:.4})  {}", self.name(*file));
            }
            for compared in files.iter().filter(|file| file.other_pages.is_some()).take(NAMED) {
                let (own, other) =
                    (self.all[compared.file].pages(), compared.other_pages.unwrap_or_default());
                println!("    pages: {own}, {} says {other}: {}", beside.name, self.name(compared.file));
            }
            for file in beside.missed.iter().take(NAMED) {
                println!("    refused, but read by {}: {}", beside.name, self.name(*file));
            }
        }
    }

    fn slowest(&self) -> Vec<usize> {
        let mut files: Vec<usize> = (0..self.all.len()).collect();
        files.sort_by_key(|file| std::cmp::Reverse(self.all[*file].in_process));
        files.truncate(NAMED);
        files
    }

    fn errors(&self) -> BTreeMap<&'static str, Vec<usize>> {
        let mut errors: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for (file, own) in self.all.iter().enumerate() {
            if let Err(error) = &own.result {
                errors.entry(error.code()).or_default().push(file);
            }
        }
        errors
    }

    pub(crate) fn json(&self) -> Value {
        let mut files: Vec<Value> = self.all.iter().enumerate().map(|(file, own)| json!({
            "file": self.name(file),
            "pages": own.pages(),
            "isolated_ms": own.isolated.as_secs_f64() * 1000.0,
            "in_process_ms": own.in_process.map(|elapsed| elapsed.as_secs_f64() * 1000.0),
            "error": own.result.as_ref().err().map(pipeline::document::DocumentError::code),
            "warnings": own.result.as_ref().map(|document| document.warnings.clone()).unwrap_or_default(),
        })).collect();
        let mut references = BTreeMap::new();
        for beside in &self.beside {
            for Compared { file, agreement, other_pages } in &beside.files {
                files[*file][beside.name] = json!({
                    "recall": agreement.recall,
                    "precision": agreement.precision,
                    "order": agreement.order,
                    "other_pages": other_pages,
                });
            }
            let of = |of: fn(&Agreement) -> f64| {
                let (mean, p5) = summary(beside.files.iter().map(|file| of(&file.agreement)).collect());
                json!({"mean": mean, "p5": p5})
            };
            let missed: Vec<String> = beside.missed.iter().map(|file| self.name(*file)).collect();
            references.insert(
                beside.name,
                json!({
                    "files": beside.files.len(),
                    "recall": of(|it| it.recall),
                    "precision": of(|it| it.precision),
                    "order": of(|it| it.order),
                    "pages_differ": beside.files.iter().filter(|file| file.other_pages.is_some()).count(),
                    "unread": missed,
                    "pages_per_second": beside.pages_per_second,
                }),
            );
        }
        json!({
            "pages": self.pages,
            "isolated_pages_per_second": self.isolated.by_clock,
            "isolated_pages_per_cpu_second": self.isolated.by_cpu,
            "in_process_pages_per_second": self.in_process.by_clock,
            "in_process_pages_per_cpu_second": self.in_process.by_cpu,
            "references": references,
            "files": files,
        })
    }
}

fn beside(all: &[Own], own_words: &[Option<Vec<String>>], reference: &Reference) -> Beside {
    let (mut files, mut missed) = (Vec::new(), Vec::new());
    for (file, (own, own_words)) in all.iter().zip(own_words).enumerate() {
        let Some(reading) = reference.readings.get(&own.file) else { continue };
        let other_words = words(&reading.text);
        let Some(own_words) = own_words else {
            if !other_words.is_empty() {
                missed.push(file);
            }
            continue;
        };
        files.push(Compared {
            file,
            agreement: compare(own_words, &other_words),
            other_pages: reading.pages.filter(|pages| *pages != own.pages()),
        });
    }
    let pages_per_second = reference.elapsed.map(|elapsed| reference.pages() as f64 / elapsed.as_secs_f64());
    Beside { name: reference.name, pages_per_second, files, missed }
}

/// The mean, and the value below which a twentieth of the files lie.
fn summary(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    (mean, values.get(values.len() / 20).copied().unwrap_or_default())
}
