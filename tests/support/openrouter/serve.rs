//! Serves connections: routes, checks what OpenRouter checks, and plays the script.

use std::{io, sync::Arc, sync::atomic::Ordering, time::Instant};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{
    Recorded, Reply, State, Wrapping,
    exchange::Exchange,
    http::{self, Request},
    lists, lock,
    prompt::Prompt,
    rules::{self, Refusal},
    stage_of,
};

pub(super) async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        tokio::spawn(async move {
            // Any error is the client's hanging up.
            if connection(socket, &state).await.is_err() {
                state.hung_up.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

async fn connection(mut socket: TcpStream, state: &State) -> io::Result<()> {
    socket.set_nodelay(true)?;
    while let Ok(Some(request)) = http::read_request(&mut socket).await {
        let goes_on = match (request.method.as_str(), request.path.trim_start_matches("/api/v1")) {
            ("POST", "/chat/completions") => completion(&mut socket, state, &request).await?,
            ("GET", "/models") => send_json(&mut socket, 200, &[], &lists::models(&state.options)).await?,
            ("GET", "/key") if !is_allowed(state, &request) => {
                refuse(&mut socket, 401, "User not found.").await?
            }
            ("GET", "/key") => send_json(&mut socket, 200, &[], &lists::key()).await?,
            _ => refuse(&mut socket, 404, "Not Found").await?,
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

fn is_allowed(state: &State, request: &Request) -> bool {
    let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    state.options.api_key.as_deref().is_none_or(|key| given == Some(key))
}

/// Records and answers a completion request. True when the connection can be used again.
async fn completion(socket: &mut TcpStream, state: &State, request: &Request) -> io::Result<bool> {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return refuse(socket, 400, "Invalid JSON body").await;
    };
    let judged = judge(state, request, &body);
    let reply = match &judged {
        Ok(_) => lock(&state.script).pop_front().unwrap_or(Reply::Answer(Wrapping::None)),
        Err(refusal) => {
            Reply::Status { status: refusal.status, headers: Vec::new(), body: refusal.body.clone() }
        }
    };
    if !state.forgets.load(Ordering::SeqCst) {
        let recorded = Recorded {
            at: Instant::now(),
            headers: request.headers.clone(),
            stage: stage(state, &body),
            body: body.clone(),
            is_refused: judged.is_err(),
            reply: reply.clone(),
        };
        lock(&state.recorded).push(recorded);
    }
    state.in_flight.fetch_add(1, Ordering::SeqCst);
    sleep(state.options.latency).await;
    if state.holds.load(Ordering::SeqCst) {
        // Nobody closes the gate.
        state.gate.acquire().await.unwrap().forget();
    }
    state.in_flight.fetch_sub(1, Ordering::SeqCst);
    let model = judged.unwrap_or_default();
    Exchange { socket, state, body: &body, model }.play(reply).await
}

/// The model that answers, or the refusal: the key first, then the request's form, then its routing.
fn judge(state: &State, request: &Request, body: &Value) -> Result<String, Refusal> {
    let options = &state.options;
    let refusal = |status: u16, message: &str| Refusal { status, body: error(status, message) };
    if !is_allowed(state, request) {
        return Err(refusal(401, "No auth credentials found"));
    }
    let complaint =
        rules::complaint(options.provider, body).or_else(|| rules::unmet(&options.endpoint, body));
    complaint
        .map_or_else(|| answering_model(state, body).ok_or_else(|| refusal(503, "No models available")), Err)
}

/// The stage that a request asks for: its schema's name, or else the list that the schema in its prompt demands.
fn stage(state: &State, body: &Value) -> String {
    if let Some(name) = body["response_format"]["json_schema"]["name"].as_str() {
        return name.to_owned();
    }
    Prompt::of(body).schema(&state.schemas).map(|schema| stage_of(&schema).to_owned()).unwrap_or_default()
}

/// The first model of the request that is available.
fn answering_model(state: &State, body: &Value) -> Option<String> {
    let listed = body["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    std::iter::once(&body["model"])
        .chain(listed)
        .filter_map(Value::as_str)
        .find(|model| !state.options.unavailable_models.iter().any(|gone| gone == model))
        .map(str::to_owned)
}

async fn refuse(socket: &mut TcpStream, status: u16, message: &str) -> io::Result<bool> {
    send_json(socket, status, &[], &error(status, message)).await
}

fn error(status: u16, message: &str) -> Value {
    json!({"error": {"code": status, "message": message}})
}

pub(super) async fn send_json(
    socket: &mut TcpStream,
    status: u16,
    headers: &[(&'static str, String)],
    body: &Value,
) -> io::Result<bool> {
    send(socket, status, "application/json", headers, body.to_string().as_bytes()).await
}

pub(super) async fn send(
    socket: &mut TcpStream,
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> io::Result<bool> {
    let mut head = vec![
        ("Content-Type", content_type.to_owned()),
        ("Content-Length", body.len().to_string()),
        ("X-Generation-Id", "gen-fake".to_owned()),
    ];
    head.extend_from_slice(headers);
    http::write_head(socket, status, &head).await?;
    socket.write_all(body).await?;
    Ok(true)
}
