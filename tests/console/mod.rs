//! The console as people use it: its sessions, its forms, and its pages in a real browser.

mod actions;
mod browser;
mod changes;
mod content;
mod drill;
mod filled;
mod forms;
mod scale;

use reqwest::{
    Client, StatusCode,
    header::{COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE},
    redirect::Policy,
};

use crate::support::service::Service;

const CLIENT_KEY: &str = "client-key-of-the-console-tests-1";
const ADMIN_KEY: &str = "admin-key-of-the-console-tests-12";

/// The keys of the environment.
const KEYS: [(&str, &str); 3] = [
    ("BACKEND_API_KEYS", CLIENT_KEY),
    ("ADMIN_API_KEYS", ADMIN_KEY),
    ("KEY_CACHE_SECRET", "a-secret-of-the-console-tests-123"),
];

/// A page, as a browser gets it.
struct Page {
    status: StatusCode,
    text: String,
    location: String,
    cookie: Option<String>,
    /// All that `Set-Cookie` says after the cookie.
    cookie_attributes: Vec<String>,
    /// `Referrer-Policy`
    referrer: String,
}

/// A browser without a screen: it keeps no cookies, follows nothing, and says where its forms come from.
struct Browser<'s> {
    client: Client,
    service: &'s Service,
    cookie: String,
    /// `Sec-Fetch-Site` of its forms.
    site: Option<&'static str>,
}

impl<'s> Browser<'s> {
    fn new(service: &'s Service) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, service, cookie: String::new(), site: Some("same-origin") }
    }

    /// Somebody who has signed in with a key.
    async fn signed_in(service: &'s Service, key: &str) -> Self {
        let mut browser = Self::new(service);
        let page = browser.post("/console/login", &[("key", key), ("next", "/console/runs")]).await;
        assert_eq!((page.status.as_u16(), page.location.as_str()), (303, "/console/runs"), "{}", page.text);
        browser.cookie = page.cookie.unwrap();
        browser
    }

    async fn get(&self, path: &str) -> Page {
        self.send(self.client.get(self.url(path))).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.client.post(self.url(path)).body(body);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(site) = self.site {
            // Browsers say `null` where a page lets them send no referrer.
            let origin = match site {
                "same-origin" if self.get("/console/login").await.referrer == "same-origin" => self.url(""),
                "same-site" => "http://other.example".to_owned(),
                _ => "null".to_owned(),
            };
            request = request.header("sec-fetch-site", site).header("origin", origin);
        }
        self.send(request).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.service.port)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let request = if self.cookie.is_empty() { request } else { request.header(COOKIE, &self.cookie) };
        let response = request.send().await.unwrap();
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let set = header(SET_COOKIE).unwrap_or_default();
        let mut parts = set.split("; ").map(str::to_owned);
        let (cookie, cookie_attributes) = (parts.next().filter(|text| !text.is_empty()), parts.collect());
        let (location, referrer) =
            (header(LOCATION).unwrap_or_default(), header(REFERRER_POLICY).unwrap_or_default());
        Page {
            status: response.status(),
            location,
            cookie,
            cookie_attributes,
            referrer,
            text: response.text().await.unwrap(),
        }
    }
}
