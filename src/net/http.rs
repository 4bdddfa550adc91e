//! One HTTP client for signed requests.
//!
//! Purpose: warm connections, no surprises (no redirects, cookies or compression), bounded bodies,
//! and failures that say whether a request can have been executed. It must never know a venue, and
//! no error of it may show an address: addresses carry signatures.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Largest body that is read; the biggest one in use (all trading rules) is about 2 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Idle connections kept open per host; as many requests run at once.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// How long an idle connection is kept; venues close theirs earlier.
const IDLE_KEEP: Duration = Duration::from_secs(300);
/// TCP keep-alive, so that middle boxes do not forget a quiet connection.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Ping on HTTP/2 connections, idle ones too, and the wait for its answer. All requests share one
/// such connection and a time-out does not end it: when the network path has changed, only this ends
/// it before TCP gives up, which takes a quarter of an hour.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest failure text that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

/// How a request ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No byte of it reached the host: surely not executed.
    #[error("not sent: {message}")]
    NotSent { message: String },
    /// It may have reached the host: executed or not.
    #[error("no complete answer: {message}")]
    Unanswered { message: String },
}

/// Method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// A complete answer of any status. Its body may hold a key, so nothing shows it.
pub struct Response {
    pub status: u16,
    pub body: String,
    headers: HeaderMap,
}

impl Response {
    /// A header as a whole number, `None` when absent or something else.
    #[must_use]
    pub fn number(&self, header: &str) -> Option<u32> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }
}

/// The client; cheap to clone, clones share their connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

/// Limits of a client, on the machine's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpSettings {
    /// Whole request, from connecting to the last byte of the body.
    pub request_timeout: Duration,
    /// Name look-up, TCP and TLS handshake; below `request_timeout`.
    pub connect_timeout: Duration,
    /// Ignore proxies of the environment; for loopback hosts.
    pub direct: bool,
}

impl Http {
    /// Prepares a client; opens nothing.
    ///
    /// # Errors
    /// [`HttpError::NotSent`] when the TLS set-up of this machine cannot be used.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        let mut builder = reqwest::Client::builder()
            .use_rustls_tls()
            .redirect(reqwest::redirect::Policy::none())
            // A request leaves once. Whoever may repeat it knows what it does; the client does not.
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .pool_idle_timeout(IDLE_KEEP)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout);
        if settings.direct {
            builder = builder.no_proxy();
        }
        builder
            .build()
            .map(|client| Self { client })
            .map_err(|error| HttpError::NotSent {
                message: causes(error),
            })
    }

    /// Sends one request without a body and reads the whole answer.
    ///
    /// # Errors
    /// [`HttpError`], telling whether the request may have been executed.
    pub async fn execute(
        &self,
        method: Method,
        address: &str,
        header: Option<(&HeaderName, &HeaderValue)>,
    ) -> Result<Response, HttpError> {
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.client.request(method, address);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(classify)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = read_body(&mut response).await?;
        Ok(Response {
            status,
            body,
            headers,
        })
    }
}

async fn read_body(response: &mut reqwest::Response) -> Result<String, HttpError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => {
                return Err(HttpError::Unanswered {
                    message: format!("the answer exceeds {BODY_BYTES_MAX} bytes"),
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                return Err(HttpError::Unanswered {
                    message: causes(error),
                });
            }
        }
    }
    Ok(String::from_utf8(body)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Only a failure to connect or to build the request proves that nothing was sent.
fn classify(error: reqwest::Error) -> HttpError {
    let unsent = error.is_connect() || error.is_builder();
    let message = causes(error);
    if unsent {
        HttpError::NotSent { message }
    } else {
        HttpError::Unanswered { message }
    }
}

/// The chain of causes without the address, shortened.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = if error.is_timeout() {
        "timed out".to_owned()
    } else {
        error.to_string()
    };
    let mut cause = error.source();
    // Chains are a handful long; the bound is against a malicious cycle.
    for _ in 0..8 {
        let Some(inner) = cause else { break };
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(timeout_ms: u64) -> Http {
        Http::new(HttpSettings {
            request_timeout: Duration::from_millis(timeout_ms),
            connect_timeout: Duration::from_millis(500),
            direct: true,
        })
        .expect("client")
    }

    async fn listener() -> (tokio::net::TcpListener, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!(
            "http://{}/x?signature=s3cret",
            listener.local_addr().unwrap()
        );
        (listener, address)
    }

    #[tokio::test]
    async fn a_refused_connection_is_surely_not_sent_and_hides_the_address() {
        let (listener, address) = listener().await;
        drop(listener);
        let error = client(1_000).execute(Method::Post, &address, None).await;
        let Err(HttpError::NotSent { message }) = error else {
            panic!("not told as unsent");
        };
        assert!(!message.contains("s3cret"), "{message}");
    }

    #[tokio::test]
    async fn silence_after_sending_may_have_been_executed() {
        let (_listener, address) = listener().await;
        let error = client(100).execute(Method::Post, &address, None).await;
        let Err(HttpError::Unanswered { message }) = error else {
            panic!("not told as unanswered");
        };
        assert!(message.contains("timed out") && !message.contains("s3cret"));
    }

    #[tokio::test]
    async fn a_connection_cut_in_the_body_may_have_been_executed() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (listener, address) = listener().await;
        let server = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut request = [0_u8; 1_024];
            let _ = peer.read(&mut request).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"orderId\":";
            peer.write_all(head).await.unwrap();
        });
        let error = client(1_000).execute(Method::Post, &address, None).await;
        assert!(matches!(error, Err(HttpError::Unanswered { .. })));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_on_a_warm_connection_that_breaks_is_not_sent_again() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (listener, address) = listener().await;
        let arrived = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = std::sync::Arc::clone(&arrived);
        let server = tokio::spawn(async move {
            loop {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut request = [0_u8; 1_024];
                while peer.read(&mut request).await.unwrap_or(0) > 0 {
                    if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
                        break;
                    }
                    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    peer.write_all(whole).await.unwrap();
                }
            }
        });
        let client = client(1_000);
        let warm = client.execute(Method::Get, &address, None).await;
        assert_eq!(warm.expect("answered").body, "{}");
        let error = client.execute(Method::Post, &address, None).await;
        assert!(matches!(error, Err(HttpError::Unanswered { .. })));
        assert_eq!(arrived.load(std::sync::atomic::Ordering::SeqCst), 2);
        server.abort();
    }

    #[tokio::test]
    async fn a_certificate_that_is_none_is_surely_not_sent() {
        use tokio::io::AsyncWriteExt;
        let (listener, address) = listener().await;
        let server = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        });
        let address = address.replace("http://", "https://");
        let error = client(1_000).execute(Method::Post, &address, None).await;
        assert!(matches!(error, Err(HttpError::NotSent { .. })));
        server.await.unwrap();
    }
}
