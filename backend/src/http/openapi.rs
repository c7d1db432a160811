//! The API's description as OpenAPI 3.1. It is generated from the routes and from the types of their bodies.
//!
//! `schemars` generates the schemas: JSON Schema 2020-12, which OpenAPI 3.1 uses. The same derive generates
//! the schemas of a model's answers.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::{SchemaGenerator, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value, json};

use storage::control_plane::Role;

use super::{
    auth,
    codes::{self, Code},
    error::ProblemBody,
    key_header::API_KEY_HEADER,
    operation::{Answer, Key, Operation, describe},
    routes::Served,
};

const PROBLEM: &str = "application/problem+json";

const INTRODUCTION: &str = "A document goes in, a brand's next opportunities come out. Errors are \
`application/problem+json` (RFC 9457) with a stable `code`. Any address may answer 404 `not_found` where there is no \
route, and 405 `method_not_allowed` with `Allow`. Every answer names its request in `X-Request-Id`. New fields may come \
at any time: take those that you know. Lengths of texts and lists in stage outputs are limits of the analyst, not of \
this API.";

pub(super) fn describe_json() -> Operation {
    Operation::new("Documentation", "getOpenApi", "This description")
        .json::<Map<String, Value>>(StatusCode::OK, "OpenAPI 3.1")
}

/// The two forms of each type: as it is read, and as it is written.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().with_transform(relax).into_generator(),
        }
    }

    fn components(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.written.take_definitions(true));
        all
    }
}

/// Removes the limits from a written type. They bind the writer, and a client must accept longer values and
/// new fields.
fn relax(schema: &mut schemars::Schema) {
    for limit in ["minLength", "maxLength", "minItems", "maxItems"] {
        schema.remove(limit);
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
    // Most written fields are set by the service, so the mark says nothing.
    schema.remove("readOnly");
    transform_subschemas(&mut relax, schema);
}

pub(super) fn document(served: &[Served]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for one in served {
        let operation = operation(one, &mut schemas);
        paths.entry(one.path).or_default().insert(one.method.to_owned(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "innovation-pipeline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "the origin of this document"}],
        "tags": [
            {"name": "Runs", "description": "Submit, follow, cancel, retry and delete runs."},
            {"name": "Brands", "description": "The profiles of the brands that a run can use."},
            {"name": "Flags", "description": "Evaluate flags, by the OpenFeature Remote Evaluation Protocol."},
            {"name": "Keys", "description": "Make, list, rotate and revoke keys."},
            {"name": "Operations", "description": "Flags, the audit, and other state of the service."},
            {"name": "Health", "description": "The state of the service and its dependencies."},
            {"name": "Documentation", "description": "This."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
                "apiKey": {"type": "apiKey", "in": "header", "name": API_KEY_HEADER},
            },
        },
    })
}

fn operation(served: &Served, schemas: &mut Schemas) -> Value {
    let Served { method, path, operation } = served;
    let mut value = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": parameters(path, operation, schemas),
        "responses": responses(operation, *method != "get", schemas),
        "security": security(operation.key),
    });
    let Value::Object(fields) = &mut value else { return value };
    if !operation.description.is_empty() {
        fields.insert("description".to_owned(), operation.description.into());
    }
    if let Some(body) = operation.body {
        let schema = body(&mut schemas.read);
        fields.insert(
            "requestBody".to_owned(),
            json!({"required": operation.is_body_required, "content": {"application/json": {"schema": schema}}}),
        );
    }
    value
}

/// The empty requirement means that a request without a key is accepted too. The names in a requirement are the roles
/// (OpenAPI 3.1, 4.8.30).
fn security(key: Key) -> Value {
    match key {
        Key::Never => json!([]),
        Key::Api(permission) => {
            let roles: Vec<&str> =
                Role::ALL.into_iter().filter(|role| role.may(permission)).map(Role::as_str).collect();
            json!([{"bearer": roles}, {"apiKey": roles}])
        }
        Key::Metrics => json!([{"bearer": []}, {"apiKey": []}, {}]),
    }
}

fn parameters(path: &str, operation: &Operation, schemas: &mut Schemas) -> Vec<Value> {
    let mut all: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let (schema, what) = match name {
                "run_id" => (describe::<pipeline::run::RunId>(&mut schemas.read), "The run's id."),
                "batch_id" => (describe::<pipeline::batch::BatchId>(&mut schemas.read), "The batch's id."),
                "brand_id" => (describe::<pipeline::brand::BrandId>(&mut schemas.read), "The brand's id."),
                "key_id" => (describe::<String>(&mut schemas.read), "The key's id, as the list shows it."),
                "page" => {
                    (describe::<u32>(&mut schemas.read), "The page's number, from 1, as the report cites it.")
                }
                "key" => (describe::<String>(&mut schemas.read), "The flag's key, as in the list of flags."),
                "label" => {
                    (describe::<String>(&mut schemas.read), "The quote's label in the report, such as `E12`.")
                }
                _ => (describe::<String>(&mut schemas.read), ""),
            };
            json!({"name": name, "in": "path", "required": true, "description": what, "schema": schema})
        })
        .collect();
    if let Some(query) = operation.query {
        all.extend(query_parameters(&query(&mut schemas.read).to_value(), schemas));
    }
    all.push(json!({
        "name": super::request_id::HEADER.as_str(), "in": "header", "required": false,
        "description": "The client's own id for the request: at most 100 letters, digits and . _ - : signs. The service replaces any other id.",
        "schema": {"type": "string"},
    }));
    all
}

/// The fields of a named type, each as a parameter. The type itself does not become a schema of the document.
fn query_parameters(reference: &Value, schemas: &mut Schemas) -> Vec<Value> {
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let schema = name.and_then(|name| schemas.read.definitions_mut().remove(name));
    let Some(Value::Object(properties)) = schema.as_ref().and_then(|schema| schema.get("properties")) else {
        return Vec::new();
    };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        let description = description.unwrap_or_else(|| Value::String(String::new()));
        // A parameter is present or absent, but never null.
        let schema = without_null(schema);
        json!({"name": name, "in": "query", "required": false, "allowEmptyValue": true, "description": description, "schema": schema})
    };
    properties.iter().map(parameter).collect()
}

fn without_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.pointer("/type/0").cloned()
        && let Some(fields) = schema.as_object_mut()
    {
        fields.insert("type".to_owned(), kind);
    }
    match schema.pointer("/anyOf/0") {
        Some(value) => value.clone(),
        None => schema,
    }
}

fn responses(operation: &Operation, changes_state: bool, schemas: &mut Schemas) -> Map<String, Value> {
    let mut all = Map::new();
    for answer in &operation.answers {
        all.insert(answer.status.as_str().to_owned(), response(answer, schemas));
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let keys: &[Code] = if operation.key == Key::Never { &[] } else { &auth::PROBLEMS };
    let origin: &[Code] = if changes_state { &[codes::FOREIGN_ORIGIN] } else { &[] };
    let everywhere =
        [codes::FOREIGN_HOST, codes::INTERNAL, codes::TOO_MANY_CONNECTIONS, codes::REQUEST_TIMED_OUT];
    for code in [keys, origin, &operation.problems, &everywhere].concat() {
        let codes = by_status.entry(code.status.as_u16()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, codes) in by_status {
        let problem = problem(status, &codes, schemas);
        match all.get_mut(&status.to_string()) {
            // The status has both a regular answer and an error, so either form may come.
            Some(answer) => {
                let content = problem.pointer("/content").and_then(Value::as_object).cloned();
                if let (Some(Value::Object(forms)), Some(content)) = (answer.get_mut("content"), content) {
                    forms.extend(content);
                }
            }
            None => {
                all.insert(status.to_string(), problem);
            }
        }
    }
    all
}

fn response(answer: &Answer, schemas: &mut Schemas) -> Value {
    let content: Map<String, Value> = answer
        .forms
        .iter()
        .map(|(media_type, form)| ((*media_type).to_owned(), json!({"schema": form(&mut schemas.written)})))
        .collect();
    let mut headers = request_id_header();
    for (name, meaning) in &answer.headers {
        headers.insert((*name).to_owned(), header(meaning));
    }
    let mut value = json!({"description": answer.meaning, "headers": headers});
    if let (false, Value::Object(fields)) = (content.is_empty(), &mut value) {
        fields.insert("content".to_owned(), Value::Object(content));
    }
    value
}

fn problem(status: u16, codes: &[Code], schemas: &mut Schemas) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.name).collect();
    let meanings: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.name, code.meaning)).collect();
    let mut headers = request_id_header();
    match status {
        401 => drop(headers.insert("WWW-Authenticate".to_owned(), header("How to bring a key."))),
        429 | 503 => drop(headers.insert(
            "Retry-After".to_owned(),
            json!({
                "description": "Seconds after which the same request may succeed.", "required": true,
                "schema": {"type": "integer", "minimum": 1},
            }),
        )),
        _ => {}
    }
    json!({
        "description": meanings.join("; "),
        "headers": headers,
        "content": {PROBLEM: {"schema": {
            "allOf": [describe::<ProblemBody>(&mut schemas.written)],
            "properties": {"status": {"const": status}, "code": {"enum": names}},
        }}},
    })
}

fn request_id_header() -> Map<String, Value> {
    Map::from_iter([("X-Request-Id".to_owned(), header("The request's id, also in the log."))])
}

fn header(meaning: &str) -> Value {
    json!({"description": meaning, "required": true, "schema": {"type": "string"}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router::{self, DOCUMENT};

    #[test]
    fn every_operation_has_an_id_and_a_response() {
        let served = router::served();
        let mut ids: Vec<&str> = served.iter().map(|one| one.operation.id).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "{ids:?}");
        for one in &served {
            assert!(!one.operation.answers.is_empty(), "{}", one.path);
            let described = DOCUMENT.pointer("/tags").unwrap().to_string();
            assert!(described.contains(one.operation.tag), "{}", one.path);
        }
    }

    #[test]
    fn every_code_is_described_where_it_can_come() {
        let text = DOCUMENT.to_string();
        for code in codes::ALL {
            assert!(text.contains(code.name), "{}", code.name);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(path)) = fields.get("$ref") {
                        found.push(path);
                    }
                    fields.values().for_each(|inner| references(inner, found));
                }
                Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&DOCUMENT, &mut found);
        assert!(found.len() > 50);
        for path in found {
            let pointer = path.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(pointer).is_some(), "{path}");
        }
    }

    #[test]
    fn stage_outputs_are_described_without_analyst_limits() {
        let inspiration = DOCUMENT.pointer("/components/schemas/Inspiration").unwrap();
        assert!(inspiration.pointer("/properties/id").is_some(), "{inspiration}");
        assert!(inspiration.get("additionalProperties").is_none(), "{inspiration}");
        assert!(!inspiration.to_string().contains("maxLength"), "{inspiration}");
        let request = DOCUMENT.pointer("/components/schemas/RunRequest").unwrap();
        assert!(request.to_string().contains("maxLength"), "{request}");
    }
}
