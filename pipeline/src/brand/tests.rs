use proptest::prelude::*;

use super::*;

fn id() -> BrandId {
    BrandId::parse("acme").unwrap()
}

const GOOD: &str = "\
brand_name: Acme
country: NO
industry: Food
positioning: >-
  Everyday food
  for everyone
product_portfolio: [Cheese, Milk, Butter]
target_customers:
  - Families
  - Students
recent_innovations: [A, B]
strategic_priorities: [A, B, C]
brand_values: [A, B, C]
";

fn problems(yaml: &str) -> Vec<BrandProblem> {
    BrandProfile::from_yaml(id(), yaml, None).unwrap_err().problems
}

fn lines(yaml: &str) -> String {
    BrandProfile::from_yaml(id(), yaml, None).unwrap_err().to_string()
}

#[test]
fn a_good_profile_keeps_unknown_fields_and_notes() {
    let yaml =
        format!("{GOOD}tone: plain\ncompetitors:\nfounded: 1884\nsites: {{head: Oslo, others: [Bergen]}}\n");
    let profile = BrandProfile::from_yaml(id(), &yaml, Some("Notes.".to_owned())).unwrap();
    assert_eq!(profile.country, "NO", "Norway, not false");
    assert_eq!(profile.positioning, "Everyday food for everyone");
    assert_eq!(profile.product_portfolio, ["Cheese", "Milk", "Butter"]);
    assert_eq!(profile.tone.as_deref(), Some("plain"));
    assert!(profile.competitors.is_empty());
    assert_eq!(profile.other["founded"], 1884);
    assert_eq!(profile.other["sites"], serde_json::json!({"head": "Oslo", "others": ["Bergen"]}));
    assert_eq!(profile.research_notes.as_deref(), Some("Notes."));
    assert_eq!(profile.entries(ProfileField::TargetCustomers), ["Families", "Students"]);
    // A stored profile can be read back.
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<BrandProfile>(&json).unwrap(), profile);
}

#[test]
fn name_and_products_are_read_in_both_spellings() {
    let second = GOOD.replace("brand_name:", "company_name:").replace("product_portfolio:", "portfolio:");
    let profile = BrandProfile::from_yaml(id(), &second, None).unwrap();
    assert_eq!(profile, BrandProfile::from_yaml(id(), GOOD, None).unwrap());
    // A profile that writes both keeps the second as a field of its own.
    let both = BrandProfile::from_yaml(id(), &format!("{GOOD}company_name: Acme Norway\n"), None).unwrap();
    assert_eq!((both.brand_name.as_str(), &both.other["company_name"]), ("Acme", &"Acme Norway".into()));
    // A problem names the field as the profile does.
    let short = second.replace("portfolio: [Cheese, Milk, Butter]", "portfolio: [Cheese]");
    assert_eq!(problems(&short)[0].field, "portfolio");
    assert_eq!(problems(&GOOD.replace("brand_name: Acme\n", ""))[0].field, "brand_name");
}

#[test]
fn field_names_match_the_profile() {
    for field in ProfileField::ALL {
        assert_eq!(serde_json::to_value(field).unwrap(), field.name());
    }
}

#[test]
fn problems_are_reported_together_with_their_lines() {
    let text = lines(
        "\
brand_name: 7
country: ''
industry: [Food]
product_portfolio: [Cheese]
target_customers: Families
recent_innovations:
strategic_priorities:
  - A
  -
  - Plan: grow
  - true
brand_values: [A, B, C]
brand_values: [A]
id: other
research_notes: x
",
    );
    assert_eq!(
        text,
        "the profile of acme has 13 problems:\n\
         line 1: brand_name: is a number where text is expected; put it in quotes\n\
         line 2: country: is an empty text; write a text, or remove the line\n\
         line 3: industry: is a list where text is expected; write one text, or one entry a line\n\
         line 4: product_portfolio: has 1 entry where at least 3 are needed; add 2 more\n\
         line 5: target_customers: is text where a list is expected; write each entry on a line `- …` of its own\n\
         line 6: recent_innovations: is empty; write at least 2 entries below it, each on a line `- …`\n\
         line 9: strategic_priorities[2]: is empty; write a text, or remove the line\n\
         line 10: strategic_priorities[3]: is a mapping where text is expected; put the whole text in quotes: a `: ` inside makes it a mapping\n\
         line 11: strategic_priorities[4]: is true or false where text is expected; put it in quotes\n\
         line 13: brand_values: stands twice (first on line 12); keep one of the two\n\
         line 14: id: is not acme, the name of the file; remove the line\n\
         line 15: research_notes: does not belong in the profile; move it to brand-research/acme.md\n\
         positioning: is missing; add a line `positioning: …`"
    );
}

#[test]
fn empty_files_and_lists_are_no_profiles() {
    for (yaml, start) in [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "is a list"),
        ("just text", "is text"),
    ] {
        let found = problems(yaml);
        assert_eq!(found.len(), 1, "{yaml:?}");
        assert!(found[0].message.starts_with(start), "{yaml:?}: {found:?}");
        assert_eq!(found[0].field, "file");
    }
}

#[test]
fn what_is_not_yaml_names_its_line() {
    for yaml in ["brand_name: Acme\ncountry: [a, b\nindustry: Food\n", "brand_name: \"Acme\n", "a: b: c\n"] {
        let found = problems(yaml);
        assert_eq!(found.len(), 1, "{yaml:?}");
        assert!(found[0].message.starts_with("is not YAML"), "{found:?}");
        assert!(found[0].line.is_some(), "{yaml:?}: {found:?}");
        assert!(!found[0].message.contains('\n'), "one problem is one line: {found:?}");
    }
}

#[test]
fn limits_are_kept_by_known_and_unknown_fields() {
    let long = "x".repeat(TEXT_CHARS_MAX + 1);
    let many = "[a, ".to_owned() + &"b, ".repeat(LIST_ENTRIES_MAX) + "c]";
    let found = problems(&format!(
        "{GOOD}tone: {long}\ncompetitors: {many}\nnotes: {{deep: [{long}], many: {many}}}\nbell: \"\\a\"\n"
    ));
    let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["tone", "competitors", "notes.deep[1]", "notes.many", "bell"]);
    assert!(found.iter().all(|problem| problem.line.is_some()));

    assert!(BrandProfile::from_yaml(id(), &GOOD.replace("Acme", &"x".repeat(TEXT_CHARS_MAX)), None).is_ok());
}

#[test]
fn too_large_files_and_notes_are_refused() {
    let found = problems(&"#".repeat(FILE_BYTES_MAX + 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("262145 bytes"));
    let error = BrandProfile::from_yaml(id(), GOOD, Some("x".repeat(NOTES_BYTES_MAX + 1))).unwrap_err();
    assert_eq!(error.problems[0].field, "research_notes");
    assert_eq!(BrandProblems::CODE, "BRAND_INVALID");
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let deep = "a: ".to_owned() + &"[".repeat(10_000) + &"]".repeat(10_000);
    let text_bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(200_000), vec!["*a"; 90].join(", "));
    for yaml in [bomb, deep, text_bomb] {
        let found = problems(&yaml);
        assert!(found[0].message.starts_with("is not YAML"), "{:?}", found[0]);
    }
}

proptest! {
    #[test]
    fn brand_ids_are_exactly_the_stated_names(text in "[a-z0-9-]{0,66}|[A-Za-z0-9._/\\\\\\x00é -]{0,8}|\\PC{0,12}") {
        let first_ok = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let all_ok = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let expected = first_ok && all_ok && text.len() <= 64;
        match text.parse::<BrandId>() {
            Ok(id) => {
                prop_assert!(expected);
                prop_assert!(!text.contains(['/', '\\', '.', '\0']) && text.is_ascii());
                prop_assert_eq!(id.to_string(), text);
                prop_assert_eq!(id.to_string().parse::<BrandId>(), Ok(id));
            }
            Err(error) => {
                prop_assert!(!expected, "refused: {}", error);
            }
        }
    }

    #[test]
    fn no_text_whatever_makes_the_reader_panic(yaml in "\\PC{0,200}|[a-z:\\-\\[\\]{}&*!|>'\"%@`#, \n]{0,200}") {
        let _ = BrandProfile::from_yaml(id(), &yaml, None);
    }
}
