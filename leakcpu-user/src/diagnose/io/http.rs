//! What clients of HTTP look like on stacks.

use crate::diagnose::below::is;
use crate::model::Function;

/// Files of clients that wait on the thread that asks.
const CLIENTS: [&str; 5] = [
    "/http/client.py",
    "/urllib3/",
    "/requests/",
    "/httpx/",
    "/httpcore/",
];

/// Files of those that coroutines await.
const ASYNC_CLIENTS: [&str; 4] = [
    "/aiohttp/client",
    "/aiohttp/connector.py",
    "/httpx/",
    "/httpcore/_async/",
];

/// Where the beginning of an answer is waited for: once for each request.
const ANSWERS: [(&str, &str); 3] = [
    ("/http/client.py", "_read_status"),
    ("/httpcore/_sync/http11.py", "_receive_response_headers"),
    ("/httpcore/_sync/http2.py", "_receive_response"),
];

/// Whether a client of HTTP is below somebody's code.
pub(super) fn is_client(below: &[&Function]) -> bool {
    let is_it = |function: &&Function| CLIENTS.iter().any(|mark| function.file.contains(mark));
    below.iter().any(is_it)
}

/// Whether a function is a client's that coroutines await.
pub(super) fn is_async_client(function: &Function) -> bool {
    let mut clients = ASYNC_CLIENTS.iter();
    clients.any(|mark| function.file.contains(mark))
}

/// Whether it waits for an answer to begin.
pub(super) fn is_answer(below: &[&Function]) -> bool {
    let is_it = |function: &&Function| {
        let mut answers = ANSWERS.iter();
        answers.any(|(mark, name)| is(function, mark, name))
    };
    below.iter().any(is_it)
}
