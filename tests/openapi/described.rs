//! The description and its page, as they are served.

use super::service;

#[tokio::test]
async fn the_description_and_page_need_no_key() {
    let (_env, service) = service().await;
    let description = service.call("GET", "/openapi.json").await;
    assert_eq!((description.status, description.header("content-type")), (200, "application/json"));
    assert_eq!(description.body["openapi"], "3.1.0");
    let paths = description.body["paths"].as_object().unwrap();
    assert!(paths.contains_key("/run") && paths.contains_key("/docs"), "{:?}", paths.keys());

    let page = service.call("GET", "/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    let html = page.body.as_str().unwrap();
    for (path, operations) in paths {
        assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    for name in description.body["components"]["schemas"].as_object().unwrap().keys() {
        assert!(html.contains(&format!("<details id=\"{name}\">")), "{name}");
    }
    for active in ["<script", "<link", "<img", "src=", "http://", "style=\""] {
        assert!(!html.contains(active), "{active}");
    }
}
