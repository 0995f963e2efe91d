"""How what a check finds is repaired on the servers where it is common.

A repair is a directive, an option or a line of code that the server's own document has. Where nothing is listed, the
fault is in the program behind the endpoint, and the rule in words says what it has to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Repair", "repairs_of"]


class Repair(NamedTuple):
    """What to do on one server.

    :ivar how: in words; of a configuration, where it stands and what it does.
    :ivar config: the lines for the server's configuration, as its own checker takes them.
    """

    server: str
    how: str
    config: str = ""


_STREAM_FIELDS = Repair(
    "FastAPI, Starlette",
    'StreamingResponse(parts(), media_type="text/event-stream", headers={"Cache-Control": "no-store",'
    ' "X-Accel-Buffering": "no"})',
)
_NODE_STREAM = Repair(
    "node",
    'res.writeHead(200, {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}),'
    " then res.write for each event and res.end at the end",
)
_NGINX_1_1 = Repair(
    "nginx", "in the location: before 1.29.7 nginx asks its upstream in HTTP/1.0", "proxy_http_version 1.1;"
)
_NGINX_UNBUFFERED = Repair(
    "nginx",
    "in the location of the stream; or the upstream sends X-Accel-Buffering: no",
    "proxy_http_version 1.1;\nproxy_buffering off;",
)
_HAPROXY_UNDELAYED = Repair(
    "haproxy", "in the backend: without it several events are sent together", "option http-no-delay"
)
_CADDY_ENCODE = Repair(
    "caddy",
    "in the site: without a matcher it compresses text/event-stream too, and holds it back",
    "encode gzip {\n    match {\n        header Content-Type application/json*\n    }\n}",
)
_RAISED = Repair(
    "uvicorn, hypercorn, granian, aiohttp",
    "a generator that raises ends the connection without the last chunk: catch the exception in it, yield the"
    " dialect's error, and return",
)
_CADDY_CUT = Repair(
    "caddy",
    "when its upstream dies within a chunk, caddy closes the answer as if it were whole: the error, or the missing end"
    " mark, has to come from the upstream",
)
_FASTAPI_ERRORS = Repair(
    "FastAPI",
    'handlers by @app.exception_handler for RequestValidationError and HTTPException that return {"error": {"message":'
    ' …, "type": …}} with the status; its own are {"detail": …}, with 422 for what is not valid',
)
_ERROR = '{"error": {"message": "the upstream is down"}}'
_PROXY_ERRORS = (
    Repair(
        "nginx",
        "in the server, for its own errors; those of the upstream pass as they are",
        "error_page 502 503 504 @down;\n"
        "proxy_intercept_errors off;\n"
        "location @down {\n"
        "    default_type application/json;\n"
        f"    return 503 '{_ERROR}';\n"
        "}",
    ),
    Repair(
        "haproxy",
        "in the frontend or the backend, for each status that haproxy itself answers with",
        f"http-error status 503 content-type application/json string '{_ERROR}'",
    ),
    Repair(
        "caddy",
        "in the site, for its own errors",
        f"handle_errors {{\n    header Content-Type application/json\n    respond `{_ERROR}`\n}}",
    ),
)
_NGINX_WEBSOCKET = Repair(
    "nginx",
    "in the location of the WebSocket",
    'proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection "upgrade";',
)
_UVICORN_PINGS = Repair("uvicorn", "--ws-ping-interval 20 --ws-ping-timeout 20, which are its defaults")
_IDLE = (
    Repair("nginx", "in the location (60 s by default); or pings more often than that", "proxy_read_timeout 1h;"),
    Repair("haproxy", "in the backend: it holds for a connection that became a WebSocket", "timeout tunnel 1h"),
)
_UNHELD = (
    _NGINX_UNBUFFERED,
    _HAPROXY_UNDELAYED,
    _STREAM_FIELDS,
    Repair("caddy", "in the site", "reverse_proxy 127.0.0.1:8081 {\n    flush_interval -1\n}"),
)
_UTF16 = (
    Repair("node", "cut text by code points ([...text]), not by text.slice, which counts UTF-16 units"),
    Repair("aimock", "cuts by UTF-16 units: give texts without characters beyond the BMP, or a larger chunk size"),
)

_ONE_EVENT = (
    Repair("Python", 'yield f"data: {json.dumps(chunk)}\\n\\n": one JSON text and one blank line an event'),
    Repair("node", "res.write(`data: ${JSON.stringify(chunk)}\\n\\n`)"),
)
_DECODE = (
    Repair("Python", 'codecs.getincrementaldecoder("utf-8")() keeps the bytes of a cut character until the rest comes'),
    Repair("node", 'new TextDecoder("utf-8").decode(bytes, {stream: true})'),
)
_DONE = Repair(
    "transformers serve", "it sends no [DONE]: a gateway in front has to add it after the chunk with finish_reason"
)

_REPAIRS: Mapping[str, Sequence[Repair]] = {
    "http.date": (
        Repair("nginx", "sets Date itself: put it in front"),
        Repair(
            "haproxy",
            "in the frontend: it holds for haproxy's own answers too",
            "http-after-response set-header Date %[date,http_date] unless { res.hdr(date) -m found }",
        ),
        Repair("uvicorn", "--date-header, which is its default; --no-date-header takes it away"),
        Repair("node", "res.sendDate = true, which is its default"),
    ),
    "http.no-cl-on-stream": (_STREAM_FIELDS, _NODE_STREAM, _NGINX_UNBUFFERED),
    "http.self-delimited": (_NGINX_1_1, Repair("node", "leave out Content-Length, and res.write codes in chunks")),
    "http.te-to-http10": (
        _NGINX_1_1,
        Repair("llama-server", "answers in chunks whatever the version: ask it in HTTP/1.1, as through a proxy"),
        Repair("vLLM", "answers in chunks whatever the version: ask it in HTTP/1.1, as through a proxy"),
    ),
    "http.chunk-terminator": (_RAISED, _CADDY_CUT),
    "http.cache-control": (_STREAM_FIELDS, _NODE_STREAM),
    "http.proxy-hints": (
        _STREAM_FIELDS,
        _NODE_STREAM,
        _NGINX_UNBUFFERED,
        _HAPROXY_UNDELAYED,
    ),
    "http.coding-negotiated": (
        Repair("FastAPI, Starlette", "GZipMiddleware looks at Accept-Encoding; set no Content-Encoding by hand"),
        Repair("nginx", "in the location of the stream; elsewhere no gzip_types has text/event-stream", "gzip off;"),
        _CADDY_ENCODE,
    ),
    "http.vary": (Repair("nginx", "beside gzip on", "gzip_vary on;"),),
    "http.keepalive-reuse": (
        Repair("llama-server", "says Keep-Alive and closes after a stream: a proxy in front keeps clients connected"),
        Repair("nginx", "in the server; 0 would close after each answer", "keepalive_timeout 75s;"),
    ),
    "http.host-missing": (
        Repair("nginx, caddy", "refuse such a request themselves: put one in front"),
        Repair("haproxy", "refuses two that differ, and takes none and an invalid one: nginx or caddy in front do not"),
        Repair(
            "uvicorn",
            "--http h11, which refuses no Host and two; an invalid one it takes, as httptools takes all three: put a"
            " proxy in front",
        ),
        Repair(
            "node",
            "http.createServer({requireHostHeader: true}), the default since node 20, refuses no Host; two and an"
            " invalid one it takes: compare req.rawHeaders, or put a proxy in front",
        ),
    ),
    "http.te-and-cl-request": (
        Repair("nginx", "1.21.1 and later refuse it"),
        Repair("caddy", "takes it, and keeps the connection open (2.6): put nginx in front"),
        Repair("node", "leave insecureHTTPParser off: the parser refuses it"),
    ),
    "http.te-not-final-400": (
        Repair("nginx, caddy, haproxy", "refuse it themselves: put one in front"),
        Repair("node", "takes it (20): put one of these in front"),
    ),
    "http.space-colon-400": (
        Repair("nginx", "1.21.1 and later refuse it"),
        Repair("uvicorn", "--http h11 refuses it"),
        Repair("node", "leave insecureHTTPParser off: the parser refuses it"),
    ),
    "http.method-405": (
        Repair("FastAPI, Starlette", "a route with methods answers 405 with Allow; a catch-all route does not"),
        Repair("express", 'app.all(path, (req, res) => res.set("Allow", "POST").sendStatus(405)) behind app.post'),
    ),
    "http.expect-continue": (
        Repair("uvicorn", "answers 100 when the application reads the body: read it before anything that waits"),
        Repair("node", "answers by itself, unless there is a listener for checkContinue: then res.writeContinue()"),
    ),
    "http.chunked-request": (
        Repair(
            "nginx",
            "in the location (the default): the body is handed on with a Content-Length",
            "proxy_request_buffering on;",
        ),
    ),
    "sse.content-type": (_STREAM_FIELDS, _NODE_STREAM),
    "sse.charset": (Repair("FastAPI, Starlette", "adds charset=utf-8 to text/event-stream by itself: give none"),),
    "sse.utf8": _DECODE,
    "sse.no-fffd": _DECODE,
    "sse.surrogates": _UTF16,
    "ollama.surrogates": _UTF16,
    "sse.eol": (Repair("sse-starlette", 'EventSourceResponse(parts(), sep="\\n"), where other parts write LF'),),
    "sse.json": (*_ONE_EVENT, Repair("Python", "json.dumps(chunk, allow_nan=False): NaN and Infinity are no JSON")),
    "sse.one-json-per-event": _ONE_EVENT,
    "sse.final-blank-line": _ONE_EVENT,
    "sse.no-naked-lines": _ONE_EVENT,
    "sse.field-column": _ONE_EVENT,
    "sse.u2028-escaped": (
        Repair("Python", "json.dumps escapes them unless ensure_ascii=False, which JSONResponse of FastAPI sets"),
        Repair("node", 'JSON.stringify(chunk).replace(/[\\u2028\\u2029\\u0085]/g, c => "\\\\u" + c.charCodeAt(0)'
               '.toString(16).padStart(4, "0"))'),
    ),
    "sse.comments": (Repair("Python", 'yield ": ping\\n\\n": a line that begins with a colon is a comment'),),
    "chat.done": (_DONE, Repair("Python", 'yield "data: [DONE]\\n\\n" once, on every way out of the generator')),
    "chat.usage-chunk": (
        Repair("LiteLLM", "sends usage in a chunk with an empty choice: a gateway in front can take the choice out"),
        Repair("transformers serve", "sends usage on the chunk with finish_reason"),
        Repair("llama-cpp-python", "ignores include_usage: count on your side"),
    ),
    "chat.finish-key": (Repair("LiteLLM", "leaves finish_reason out where it should be null"),),
    "chat.id-constant": (Repair("mockllm", "makes a new id for each chunk: make one before the loop"),),
    "resp.event-eq-type": (
        Repair("LiteLLM, transformers serve", "send no `event:` line: a gateway can write it from `type`"),
    ),
    "resp.sequence": (Repair("llama-server", "sends no sequence_number: a gateway can count"),),
    "resp.incomplete-last": (
        Repair("llama-server, vLLM", "say response.completed also for an answer that the token limit cut"),
    ),
    "resp.done": (Repair("LiteLLM", "sends [DONE] after the last event: clients have to pass over it"),),
    "err.prestream-status": (
        Repair("llama-server, llama-cpp-python", "answer 500 to a body that is not JSON: check it in front"),
        _FASTAPI_ERRORS,
    ),
    "err.prestream-envelope": (_FASTAPI_ERRORS, *_PROXY_ERRORS),
    "err.unknown-model": (
        Repair("llama-server", "answers any name with its one model: a gateway can compare it with /v1/models"),
    ),
    "err.body-limit-413": (
        Repair("nginx", "in the server (1m by default): a longer body is answered 413", "client_max_body_size 10m;"),
        Repair(
            "caddy",
            "in the site, for bodies from 10 MB on (request_body before reverse_proxy answers 502 in 2.6)",
            "@large header_regexp Content-Length ^[0-9]{8,}$\n"
            'respond @large `{"error": {"message": "the body is too large"}}` 413',
        ),
    ),
    "err.midstream-framed": (_RAISED,),
    "err.midstream-ends": (_RAISED,),
    "err.no-fake-success": (_RAISED, _CADDY_CUT),
    "err.upstream-cut-visible": (_CADDY_CUT, _RAISED),
    "err.no-leak": (
        Repair("FastAPI, Starlette", "debug=False, and a handler by @app.exception_handler(Exception)"),
        Repair("express", "NODE_ENV=production: else the stack is in the answer"),
    ),
    "err.retry-after": (
        Repair(
            "nginx",
            "in the server, beside limit_req",
            "limit_req_status 429;\n"
            "error_page 429 @busy;\n"
            "location @busy {\n    add_header Retry-After 1 always;\n    return 429;\n}",
        ),
        Repair(
            "haproxy",
            "in the frontend",
            "stick-table type ip size 100k expire 1m store http_req_rate(10s)\n"
            "http-request track-sc0 src\n"
            "http-request return status 429 hdr Retry-After 1 if { sc_http_req_rate(0) gt 100 }",
        ),
        Repair("FastAPI", 'raise HTTPException(429, headers={"Retry-After": "1"})'),
    ),
    "err.request-id": (
        Repair(
            "nginx",
            "in the server, and again in each location that has an add_header of its own",
            "add_header X-Request-Id $request_id always;",
        ),
        Repair(
            "haproxy",
            "in the frontend",
            "unique-id-format %[uuid()]\nhttp-after-response set-header X-Request-Id %[unique-id]",
        ),
        Repair("caddy", "in the site", "header X-Request-Id {http.request.uuid}"),
    ),
    "auth.missing-401": (
        Repair("FastAPI", "0.122 and later answer 401 where HTTPBearer finds no key; earlier ones answer 403"),
        Repair("vLLM", "--api-key KEY"),
        Repair("llama-server", "--api-key KEY"),
    ),
    "auth.www-authenticate": (
        Repair("FastAPI", 'HTTPException(401, headers={"WWW-Authenticate": "Bearer"}); 0.122 and later do it'),
        Repair(
            "nginx",
            "in the server, where nginx itself answers 401",
            "error_page 401 @keyless;\n"
            "location @keyless {\n    add_header WWW-Authenticate Bearer always;\n    return 401;\n}",
        ),
    ),
    "auth.cors": (
        Repair("FastAPI, Starlette", 'app.add_middleware(CORSMiddleware, allow_origins=[…], allow_headers=["*"])'),
        Repair("express", 'app.use(cors({origin: […]})), of the package cors'),
    ),
    "auth.scheme-case": (Repair("Python", 'compare scheme.lower() with "bearer", not the text before the blank'),),
    "time.progressive": _UNHELD,
    "time.coalescing": _UNHELD,
    "time.headers-early": (
        _NGINX_UNBUFFERED,
        Repair("node", "res.flushHeaders() before the first event is there"),
        Repair("aiohttp", "await response.prepare(request) before the first event is there: it sends the head"),
    ),
    "time.gzip-flush": (
        Repair("nginx", "no text/event-stream among them (its default is text/html)", "gzip_types application/json;"),
        _CADDY_ENCODE,
        Repair(
            "haproxy",
            "in the backend: no text/event-stream among them",
            "compression algo gzip\ncompression type application/json text/html",
        ),
        Repair("Python", "compressor.flush(zlib.Z_SYNC_FLUSH) after each event"),
        Repair("express", "res.flush() after each event, where the package compression is used"),
    ),
    "time.keepalive": (
        Repair("Python", 'yield ": keep-alive\\n\\n" where nothing came from the model for 15 s'),
        Repair("sse-starlette", "EventSourceResponse(parts(), ping=15)"),
        Repair("llama-server", "--sse-ping-interval 15"),
    ),
    "hop.flush": _UNHELD,
    "hop.cut": (_NGINX_1_1, _CADDY_CUT),
    "hop.coding": (
        Repair("caddy", "encode with a matcher that leaves text/event-stream out, or Cache-Control: no-transform"),
        Repair("nginx", "gzip_types without text/event-stream (its default has only text/html)"),
    ),
    "hop.fields": (Repair("nginx", "proxy_pass_header NAME; for those that it keeps back (Server, Date, X-Accel-…)"),),
    "wsh.upgrade-headers": (_NGINX_WEBSOCKET,),
    "wsh.no-plain-200": (_NGINX_WEBSOCKET,),
    "wsh.origin": (
        Repair("FastAPI, Starlette", "CORSMiddleware does not see WebSockets: compare websocket.headers[\"origin\"]"
               " before accept()"),
        Repair("node, ws", "new WebSocketServer({verifyClient: ({origin}) => allowed.has(origin)})"),
    ),
    "wsz.bomb": (
        Repair("uvicorn", "--ws-max-size BYTES (16 MiB by default); --ws-per-message-deflate false"),
        Repair("node, ws", "new WebSocketServer({maxPayload: BYTES}) (100 MiB by default)"),
    ),
    "wsk.idle": (*_IDLE, _UVICORN_PINGS),
    "wsk.long-prefill": (*_IDLE, _UVICORN_PINGS),
    "wsk.dead-peer": (
        _UVICORN_PINGS,
        Repair("node, ws", "ws.ping() by a timer, and ws.terminate() where no pong came since the last"),
    ),
    "wsl.big-request": (Repair("uvicorn", "--ws-max-size BYTES (16 MiB by default)"),),
    "wsl.too-big": (
        Repair("uvicorn", "--ws-max-size BYTES: a longer message is closed with 1009"),
        Repair("node, ws", "new WebSocketServer({maxPayload: BYTES}): a longer message is closed with 1009"),
    ),
    "wsc.drain": (Repair("uvicorn", "closes with 1012 when it is stopped by SIGTERM; SIGKILL gives it no time"),),
}  # fmt: skip


def repairs_of(check: str) -> Sequence[Repair]:
    """The repairs that are known for a check, by its id; none where the fault is the endpoint's own program's."""
    return _REPAIRS.get(check, ())
