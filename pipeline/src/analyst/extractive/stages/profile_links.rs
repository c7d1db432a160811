//! Profile links: the entries that an opportunity builds on, and the sentences about them.

use crate::{
    analyst::extractive::stages::{
        products,
        proposal::{Proposal, Used},
    },
    stages::ProfileField,
};

pub(crate) fn links(proposal: &Proposal<'_>, used: &mut Used) -> Vec<(ProfileField, String)> {
    let mut links = vec![(ProfileField::ProductPortfolio, proposal.entry.to_owned())];
    let (theme, matter) = (proposal.theme(), proposal.matter());
    let brand = proposal.brand;
    let innovations = used.innovations.clone();
    let known: Vec<&str> = innovations.iter().map(String::as_str).collect();
    let lists = [
        (ProfileField::StrategicPriorities, &brand.strategic_priorities, &theme, 1.4, 0),
        (ProfileField::RecentInnovations, &brand.recent_innovations, &matter, 1.7, 1),
        (ProfileField::BrandValues, &brand.brand_values, &theme, 1.4, 0),
        (ProfileField::TargetCustomers, &brand.target_customers, &matter, 1.7, 0),
    ];
    for (field, entries, text, needed, words_min) in lists {
        if let Some((value, entry)) = products::nearest_entry(entries, text, &known, words_min)
            && value >= needed
        {
            if field == ProfileField::RecentInnovations {
                used.innovations.push(entry.to_owned());
            }
            links.push((field, entry.to_owned()));
        }
    }
    links.iter_mut().for_each(|(_, entry)| *entry = entry.chars().take(500).collect());
    links
}

pub(crate) fn why(proposal: &Proposal<'_>, links: &[(ProfileField, String)]) -> String {
    let find = |wanted: ProfileField| {
        links.iter().find(|(field, _)| *field == wanted).map(|(_, entry)| entry.trim_end_matches('.'))
    };
    let brand = &proposal.brand.brand_name;
    let product = products::short_name(proposal.entry);
    let described = proposal
        .entry
        .get(product.len()..)
        .unwrap_or_default()
        .trim_start_matches([' ', '-', '–', '—', ':'])
        .trim_end_matches('.');
    let mut text = if described.is_empty() || product.ends_with('…') {
        format!("{brand} has “{}” in its portfolio.", proposal.entry)
    } else {
        match proposal.order % 3 {
            0 => format!(
                "{brand} would not need a new product for it: its profile lists {product}, “{described}”."
            ),
            1 => {
                format!("The portfolio of {brand} offers a fitting start with {product} (“{described}”).")
            }
            _ => format!("With {product} (“{described}”), {brand} would not start from nothing."),
        }
    };
    if let Some(priority) = find(ProfileField::StrategicPriorities) {
        text.push_str(&match proposal.order % 3 {
            0 => format!(" The nearest of its stated priorities is “{priority}”."),
            1 => {
                format!(" Among its priorities stands “{priority}”.")
            }
            _ => format!(" The profile names as a priority: “{priority}”."),
        });
    }
    if let Some(innovation) = find(ProfileField::RecentInnovations) {
        text.push_str(&match proposal.order % 2 {
            0 => format!(" Of its recent innovations, the nearest is “{innovation}”."),
            _ => format!(" A recent innovation touches the same ground: “{innovation}”."),
        });
    }
    if let Some(value) = find(ProfileField::BrandValues) {
        text.push_str(&match proposal.order % 2 {
            0 => format!(" It is in keeping with a value that the brand names: “{value}”."),
            _ => format!(" Among its values, it answers to “{value}”."),
        });
    }
    text
}
