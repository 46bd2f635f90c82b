"""Bots for Halfway in Python: one file, standard library only, Python 3.9+.

    from halfway_bot import Bot, BotFailure

    bot = Bot()

    @bot.service({"slug": "parcel-tracking", "title": "Parcel tracking"})
    def track(data, request):
        request.progress(30, message="Asking the carrier...")
        return {"parcels": 3}

    bot.run()

The bot announces its services to the server, is called by the workers, and
reports to the server. README.md describes the settings.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import os
import re
import select
import signal
import socket
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import (
    Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set,
    Tuple, Union,
)
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = ["Bot", "BotFailure", "Cancelled", "ReportRefused", "Request"]

LOG = logging.getLogger("halfway_bot")

#: Everyone knows it: it is accepted on one machine only.
DEVELOPMENT_TOKEN = "local-development-only"
ANNOUNCE_SECONDS = 15.0
#: Before a failed call of the server is repeated.
RETRY_SECONDS = 1.0
#: How long a report is repeated, and a result that was not stored is kept.
REPEAT_SECONDS = 300.0
#: How long a result is repeated while a worker waits, which gets it anyway.
REPEAT_ANSWERED_SECONDS = 5.0
CALL_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 10.0
#: The longest that the server waits before it answers.
MAX_WAIT_SECONDS = 25
#: How long a run that has asked the submitter is kept for the next worker.
KEEP_WAITING_SECONDS = 60.0
#: How soon a caller that has closed its connection is noticed.
DISCONNECT_CHECK_SECONDS = 0.1
#: How long an idle or slow connection is kept.
CONNECTION_SECONDS = 30.0
MAX_BODY_BYTES = 256 * 1024
MAX_RESULT_BYTES = 256 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_KEPT_RESULTS = 1000
MAX_WARNINGS = 1000

REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REQUEST_HASH = re.compile(r"req_[A-Za-z0-9_-]{16,64}")
SERVICE_PATH = re.compile(r"/api/services/([^/]+)")
TRACEPARENT = re.compile(r"[0-9a-f-]{1,100}")
#: The request or the attempt is over.
ENDS = {"already_final", "stale_attempt", "request_expired",
        "request_not_found"}
MESSAGES = {
    "already_final": "The request has ended.",
    "stale_attempt": "A newer attempt has taken over.",
    "request_expired": "The request has expired.",
    "request_not_found": "There is no such request.",
    "caller_gone": "The caller closed the connection.",
    "bot_busy": "The bot has no room for another request.",
    "bot_stopping": "The bot is stopping.",
    "bot_crashed": "The bot ended unexpectedly.",
    "bot_bad_answer": "The result is no valid JSON.",
    "result_too_large": "The result is too large.",
    "session_lost": "The session of this request is lost.",
    "otp_expired": "The code has expired.",
    "otp_attempts_exhausted": "No try is left.",
}
HTTP_STATUS = {
    "already_final": 409, "stale_attempt": 409, "request_expired": 410,
    "request_not_found": 410, "bot_busy": 429, "bot_stopping": 503,
}
RETRY_AFTER_SECONDS = {"bot_busy": 1, "bot_stopping": 5}
RETRYABLE = {"bot_busy", "bot_stopping", "bot_crashed", "session_lost",
             "caller_gone"}

#: What a value of a result must be, by the type of its field.
RESULT_TYPES: Dict[str, Tuple[Tuple[type, ...], str]] = {
    **{name: ((int, float), "must be a number")
       for name in ("number", "percent", "money", "duration")},
    **{name: ((str,), "must be text")
       for name in ("date", "url", "image", "choice")},
    **{name: ((list, tuple), "must be a list") for name in ("list", "table")},
    "text": ((str, int, float, bool), "must be text, a number or a boolean"),
    "file": ((dict,), "must be an object with a name"),
}

Answer = Tuple[int, Dict[str, Any]]
Handler = Callable[[Dict[str, Any], "Request"], Any]


class BotFailure(Exception):
    """The work failed, for a reason that the submitter may read.

    `code` is for programs, and the key of a message of the service.
    `retryable` says whether the same call may succeed later.
    """

    def __init__(self, code: str, message: str, retryable: bool = False, *,
                 message_key: Optional[str] = None,
                 message_params: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.message_key = message_key
        self.message_params = message_params


class Cancelled(BaseException):
    """The request is over. No Exception, so that no handler swallows it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ReportRefused(Exception):
    """The server refused a report as invalid."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.status = status
        self.code = code


class _File(NamedTuple):
    """A body that is no JSON."""

    content: bytes
    content_type: str


class _Unavailable(Exception):
    """The server does not answer, or not now."""


class _Run:
    """One execution of a handler, however many calls wait for it."""

    def __init__(self, slug: str, request_hash: str, attempt: int,
                 data: Dict[str, Any], traceparent: str = "") -> None:
        self.slug = slug
        self.hash = request_hash
        self.reference = _short_reference(request_hash)
        self.attempt = attempt
        self.data = data
        #: The header of the call, which the reports pass on.
        self.traceparent = traceparent
        self.callers = 0
        self.has_asked = False
        self.reason = ""
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.answer: Answer = _error_answer("bot_crashed")
        self._is_ending = False
        self._callbacks: List[Callable[[], object]] = []
        self._polls: Set[socket.socket] = set()
        self._lock = threading.Lock()

    def cancel(self, reason: str) -> None:
        with self._lock:
            if self.cancelled.is_set() or self._is_ending:
                return
            self.reason = reason
            self.cancelled.set()
            callbacks = self._callbacks
        self.close_polls()
        for callback in callbacks:
            _call_safely(callback)

    def end(self) -> None:
        """From here on, the answer of the server decides."""
        with self._lock:
            self._is_ending = True

    def on_cancel(self, callback: Callable[[], object]) -> None:
        with self._lock:
            self._callbacks = [*self._callbacks, callback]
            is_cancelled = self.cancelled.is_set()
        if is_cancelled:
            _call_safely(callback)

    def add_poll(self, sock: socket.socket) -> None:
        with self._lock:
            self._polls.add(sock)
        if self.cancelled.is_set() or self.done.is_set():
            self.close_polls()

    def remove_poll(self, sock: socket.socket) -> None:
        with self._lock:
            self._polls.discard(sock)

    def close_polls(self) -> None:
        """Ends long polls at once: a thread that reads is woken."""
        with self._lock:
            polls = list(self._polls)
        for sock in polls:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class _Server:
    """Calls the server's API of bots."""

    def __init__(self, url: str, token: str) -> None:
        parts = _parse_url(url)
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._base = parts.path.rstrip("/") + "/api/bots"
        self._token = token

    def call(self, method: str, path: str, body: object = None, *,
             run: Optional[_Run] = None, wait: int = 0,
             poll: Optional[_Run] = None) -> Tuple[int, Dict[str, Any]]:
        """Returns status and JSON of a successful answer.

        `run` is what the call reports on, and `poll` the run whose end
        closes the connection. Raises
        ReportRefused, or _Unavailable when a repetition may help.
        """
        headers = {"Authorization": f"Bearer {self._token}",
                   "Accept": "application/json"}
        if run is not None:
            headers["X-Attempt"] = str(run.attempt)
            if run.traceparent:
                headers["traceparent"] = run.traceparent
        content = None
        if isinstance(body, _File):
            content, headers["Content-Type"] = body
        elif body is not None:
            content = _to_json(body)
            headers["Content-Type"] = "application/json"
        timeout = CALL_TIMEOUT_SECONDS + wait
        connection = self._connect(timeout)
        sock: Optional[socket.socket] = None
        try:
            connection.connect()
            sock = connection.sock
            if poll is not None:
                poll.add_poll(sock)
            connection.request(method, self._base + path, content, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _Unavailable(type(error).__name__) from None
        finally:
            if poll is not None and sock is not None:
                poll.remove_poll(sock)
            connection.close()
        return self._read(status, text)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        kind = (http.client.HTTPSConnection if self._is_secure
                else http.client.HTTPConnection)
        return kind(self._host, self._port, timeout=timeout)

    @staticmethod
    def _read(status: int, text: bytes) -> Tuple[int, Dict[str, Any]]:
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            body = {}
        if 200 <= status < 300:
            return status, body
        code = body.get("code")
        # A proxy in front of a server that restarts answers without a code.
        is_temporary = status in (408, 429) or status >= 500
        if is_temporary and code not in ("bot_bad_answer", "slug_taken"):
            raise _Unavailable(f"it answers {status}")
        details = [str(body.get("detail") or "")]
        for error in body.get("errors") or []:
            if isinstance(error, dict):
                field, text = str(error.get("field")), str(error.get("message") or error.get("code"))
                details.append(text if text.startswith(field) else f"{field}: {text}")
        detail = "\n  ".join(text for text in details if text)
        raise ReportRefused(status, str(code or status), detail)


class Request:
    """What a handler reports to, and learns from, about its request."""

    def __init__(self, run: _Run, server: _Server,
                 on_step: Callable[[str], object]) -> None:
        self._run = run
        self._server = server
        self._on_step = on_step
        self._question: Dict[str, Any] = {}
        self._resend: Optional[Callable[[], object]] = None

    @property
    def hash(self) -> str:
        return self._run.hash

    @property
    def attempt(self) -> int:
        return self._run.attempt

    @property
    def cancelled(self) -> bool:
        """Whether the request is over, or its caller has left."""
        return self._run.cancelled.is_set()

    def check(self) -> None:
        """Raises Cancelled when the work should stop."""
        if self.cancelled:
            raise Cancelled(self._run.reason)

    def sleep(self, seconds: float) -> None:
        """Waits, and raises Cancelled as soon as the work should stop."""
        self._run.cancelled.wait(seconds)
        self.check()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Calls back when the work should stop: to close a connection."""
        self._run.on_cancel(callback)

    def progress(self, progress: float, step: Optional[str] = None,
                 message: Optional[str] = None, *,
                 message_key: Optional[str] = None,
                 message_params: Optional[Mapping[str, Any]] = None,
                 parts: Optional[Sequence[Mapping[str, Any]]] = None) -> None:
        """Reports progress, 0 to 99; a lower value changes nothing.

        `step` is one of the service's steps, `parts` the states of its
        substeps. A report that the server cannot take now is dropped.
        """
        body = _without_none({
            "progress": progress, "step": step, "message": message,
            "message_key": message_key, "message_params": message_params,
            "parts": parts})
        self.check()
        if step is not None:
            self._on_step(step)
        try:
            self._post("progress", body)
        except _Unavailable as error:
            LOG.debug("progress of %s was dropped: %s",
                      self._run.reference, error)

    def heartbeat(self) -> None:
        """Reports that the bot is alive; the bot does so every 10 s."""
        try:
            self._post("heartbeat", None)
        except _Unavailable as error:
            LOG.debug("heartbeat of %s was dropped: %s",
                      self._run.reference, error)

    def add_file(self, name: str, content: Union[bytes, str],
                 content_type: str = "application/octet-stream"
                 ) -> Dict[str, Any]:
        """Stores a file, and returns what the result refers to it by.

        A text is stored as UTF-8. A request has five files at most, each
        of 1 byte to 5 MB. Raises ReportRefused for another one.
        """
        data = content.encode() if isinstance(content, str) else content
        # The server would close the connection while it is sent.
        if len(data) > MAX_FILE_BYTES:
            raise ReportRefused(413, "body_too_large",
                                "A file has at most 5 MB.")
        return self._repeat(f"files?name={quote(name, safe='')}",
                            _File(data, content_type))

    def ask_code(self, *, length: Optional[int] = None,
                 sent_to: Optional[str] = None,
                 message: Optional[str] = None,
                 message_key: Optional[str] = None,
                 message_params: Optional[Mapping[str, Any]] = None,
                 expires_in: Optional[float] = None,
                 resend: Optional[Callable[[], object]] = None,
                 verify: Optional[Callable[[str], object]] = None) -> str:
        """Asks the submitter for a code, and returns it.

        `sent_to` and `message` are shown. `resend` sends another code;
        without it none is offered. `verify` says whether a code is right:
        after a wrong one the submitter is asked again. Raises BotFailure
        when the code expires or no try is left.
        """
        return self.ask("code", length=length, sent_to=sent_to,
                        message=message, message_key=message_key,
                        message_params=message_params,
                        expires_in=expires_in, resend=resend, verify=verify)

    def ask(self, kind: str, *,
            resend: Optional[Callable[[], object]] = None,
            verify: Optional[Callable[[str], object]] = None,
            **question: Any) -> str:
        """Asks a question of another kind, and returns the answer.

        `question` is what the server knows of the kind, such as `options`
        of a `choice`.
        """
        self._question = _without_none({
            "kind": kind, **question, "resend": resend is not None})
        self._resend = resend
        self._repeat("ask", self._question)
        answer = self._wait_for_answer()
        while verify is not None and not verify(answer):
            answer = self.reject_code()
        return answer

    def reject_code(self, message: Optional[str] = None, *,
                    message_key: Optional[str] = None,
                    message_params: Optional[Mapping[str, Any]] = None
                    ) -> str:
        """The answer was wrong: asks again, and returns the next one.

        Raises BotFailure when no try is left.
        """
        body = _without_none({
            "message": message, "message_key": message_key,
            "message_params": message_params})
        answer = self._repeat("reject", body, {
            "otp_required": {"asks_again": True}, "failed": {}})
        if answer.get("asks_again") is not True:
            raise _failure("otp_attempts_exhausted")
        return self._wait_for_answer()

    def _wait_for_answer(self) -> str:
        resend = "true" if self._resend else "false"
        path = f"answer?wait={MAX_WAIT_SECONDS}&resend={resend}"
        self._run.has_asked = True
        while True:
            self.check()
            try:
                _, body = self._call("GET", path, None, MAX_WAIT_SECONDS)
            except _Unavailable:
                self.sleep(RETRY_SECONDS)
                continue
            except ReportRefused as error:
                if error.code == "otp_expired":
                    raise _failure("otp_expired") from None
                raise
            if "answer" in body:
                return str(body["answer"])
            if body.get("resend_requested") is True and self._resend:
                self._resend()
                self._repeat("ask", self._question)

    def _post(self, what: str, body: object) -> Dict[str, Any]:
        return self._call("POST", what, body)[1]

    def _call(self, method: str, what: str, body: object,
              wait: int = 0) -> Tuple[int, Dict[str, Any]]:
        """Raises Cancelled where the server says that the request is over."""
        path = f"/requests/{self.hash}/{what}"
        try:
            return self._server.call(
                method, path, body, run=self._run, wait=wait,
                poll=self._run if wait else None)
        except ReportRefused as error:
            if error.code not in ENDS:
                raise
            self._run.cancel(error.code)
            raise Cancelled(error.code) from None

    def _repeat(self, what: str, body: object,
                applied: Mapping[str, Dict[str, Any]] = {}) -> Dict[str, Any]:
        """Reports until the server has it.

        `applied` has the answer by the status of the request, for a report
        whose first answer was lost.
        """
        until = time.monotonic() + REPEAT_SECONDS
        is_repeated = False
        while True:
            self.check()
            try:
                return self._post(what, body)
            except _Unavailable as error:
                if time.monotonic() >= until:
                    raise BotFailure("storage_unavailable", str(error),
                                     True) from None
                is_repeated = True
                self.sleep(RETRY_SECONDS)
            except ReportRefused:
                status = _status_of(self._server, self._run)
                if is_repeated and status in applied:
                    return applied[status]
                raise


class Bot:
    """A server of services. Settings that are left out come from the
    environment: HALFWAY_URL, BOT_TOKEN or LOCAL_API_TOKEN, BOT_PORT or
    LOCAL_API_PORT, BOT_HOST, BOT_ADDRESS, BOT_CONCURRENCY, DRAIN_SECONDS.
    """

    def __init__(self, server: Optional[str] = None,
                 token: Optional[str] = None, port: Optional[int] = None,
                 concurrency: Optional[int] = None,
                 address: Optional[str] = None, *,
                 host: Optional[str] = None,
                 drain_seconds: Optional[float] = None) -> None:
        url = server or _setting("HALFWAY_URL") or "http://127.0.0.1:3000"
        self.host = host or _setting("BOT_HOST") or "127.0.0.1"
        self.port = _number(port, 9999, "BOT_PORT", "LOCAL_API_PORT")
        self.concurrency = _number(concurrency, 10, "BOT_CONCURRENCY")
        self.drain_seconds = (
            drain_seconds if drain_seconds is not None
            else _number(None, 30, "DRAIN_SECONDS"))
        self.token = token or _setting("BOT_TOKEN", "LOCAL_API_TOKEN")
        if not self.token:
            if not (_is_local(self.host)
                    and _is_local(_parse_url(url).hostname or "")):
                raise ValueError("Set BOT_TOKEN, as in the server's settings.")
            self.token = DEVELOPMENT_TOKEN
        self._given_address = address or _setting("BOT_ADDRESS")
        self._server = _Server(url, self.token)
        self._services: Dict[str, Tuple[Dict[str, Any], Handler]] = {}
        self._faults: Dict[str, str] = {}
        self._warned: Set[str] = set()
        self._runs: Dict[str, _Run] = {}
        self._results: Dict[str, Tuple[float, object]] = {}
        self._calls = 0
        self._lock = threading.Lock()
        # The announcement that it stops is the last one.
        self._announcing = threading.Lock()
        self._stopping = threading.Event()
        self._listener: Optional[_Listener] = None

    def service(self, definition: Mapping[str, Any]
                ) -> Callable[[Handler], Handler]:
        """Registers the handler of a service, by its definition."""
        slug = definition.get("slug")
        if not isinstance(slug, str) or slug in self._services:
            raise ValueError("A definition needs a slug of its own.")

        def register(handler: Handler) -> Handler:
            self._services[slug] = (dict(definition), handler)
            return handler
        return register

    @property
    def services(self) -> List[str]:
        return list(self._services)

    @property
    def address(self) -> str:
        """Where workers call it."""
        if self._given_address:
            return self._given_address
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains."""
        if not logging.getLogger().handlers:
            logging.basicConfig(
                level=logging.INFO,
                format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        ended = threading.Event()

        def stop(number: int, _frame: object) -> None:
            # A second signal ends the process at once.
            signal.signal(number, signal.SIG_DFL)
            ended.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        try:
            self.start()
        except OSError as error:
            raise SystemExit(
                f"The bot cannot listen at {self.host}:{self.port} "
                f"({error.strerror or error}). "
                "Set BOT_PORT to a free port.") from None
        ended.wait()
        self.stop()

    def start(self) -> None:
        """Listens and announces, in threads."""
        self._listener = _Listener(self)
        self.port = self._listener.server_address[1]
        _start_thread(self._listener.serve_forever, "listen")
        _start_thread(self._announce_always, "announce")
        LOG.info("the bot listens at %s: %s", self.address,
                 ", ".join(self.services))

    def stop(self) -> None:
        """Refuses new requests, and waits for those that run."""
        self._stopping.set()
        LOG.info("the bot stops; %d requests run", len(self._runs))
        until = time.monotonic() + self.drain_seconds
        _start_thread(self._announce, "drain").join(CALL_TIMEOUT_SECONDS)
        while self._runs and time.monotonic() < until:
            time.sleep(0.05)
        for run in list(self._runs.values()):
            run.cancel("bot_stopping")
        # What is left is cleaning up or sending its answer.
        until = time.monotonic() + 5
        while (self._runs or self._calls) and time.monotonic() < until:
            time.sleep(0.05)
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()

    # Announcements

    def _announce_always(self) -> None:
        while not self._stopping.is_set():
            is_announced = self._announce()
            self._stopping.wait(
                ANNOUNCE_SECONDS if is_announced else RETRY_SECONDS)

    def _announce(self) -> bool:
        """Returns whether no repetition is needed soon."""
        with self._announcing:
            return self._announce_all()

    def _announce_all(self) -> bool:
        is_reached = True
        for slug, (definition, _) in self._services.items():
            body = {"definition": definition, "address": self.address,
                    "concurrency": self.concurrency,
                    "draining": self._stopping.is_set()}
            fault = ""
            try:
                _, answer = self._server.call("PUT", f"/services/{slug}", body)
                if answer.get("standing") == "older":
                    fault = "another bot has announced a newer definition"
            except ReportRefused as error:
                fault = str(error)
            except _Unavailable as error:
                fault = f"the server does not answer ({error})"
                is_reached = False
            if fault and self._faults.get(slug) != fault:
                LOG.warning("%s is not announced: %s", slug, fault)
            elif not fault and slug in self._faults:
                LOG.info("%s is announced", slug)
            self._faults[slug] = fault
        return is_reached

    # Calls of workers

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def health(self) -> Dict[str, Any]:
        return {"status": "ok", "running": len(self._runs)}

    def handle_call(self, slug: str, data: Dict[str, Any], *,
                    request_hash: str, attempt: int, is_resumed: bool,
                    traceparent: str,
                    is_closed: Callable[[], bool]) -> Optional[Answer]:
        """Returns the answer; None when the caller has left."""
        with self._lock:
            self._calls += 1
        try:
            while True:
                run, refused = self._join(slug, data, request_hash, attempt,
                                          is_resumed, traceparent)
                if run is None:
                    return _error_answer(refused)
                is_joined = refused == ""
                while not run.done.wait(DISCONNECT_CHECK_SECONDS):
                    if is_closed():
                        if is_joined:
                            self._leave(run)
                        return None
                # A cancelled run was cleaning up: the work starts again.
                if is_joined:
                    return run.answer
        finally:
            with self._lock:
                self._calls -= 1

    def _join(self, slug: str, data: Dict[str, Any], request_hash: str,
              attempt: int, is_resumed: bool, traceparent: str
              ) -> Tuple[Optional[_Run], str]:
        """Returns the run to wait for, or why there is none.

        With both, the run is over soon and must be waited for first.
        """
        with self._lock:
            run = self._runs.get(request_hash)
            if run is not None and run.cancelled.is_set():
                return run, "cancelled"
            if run is not None:
                run.attempt = max(run.attempt, attempt)
                run.callers += 1
                return run, ""
            if self.is_stopping:
                return None, "bot_stopping"
            if is_resumed and request_hash not in self._results:
                return None, "session_lost"
            if len(self._runs) >= self.concurrency:
                return None, "bot_busy"
            run = _Run(slug, request_hash, attempt, data, traceparent)
            run.callers = 1
            self._runs[request_hash] = run
        _start_thread(lambda: self._execute(run), f"run {run.reference}")
        return run, ""

    def _leave(self, run: _Run) -> None:
        """The last caller that leaves ends the run."""
        with self._lock:
            run.callers -= 1

        def cancel_unless_called() -> None:
            if run.callers == 0:
                run.cancel("caller_gone")
        if not run.has_asked:
            cancel_unless_called()
            return
        # Another worker takes over, so that the submitter need not start
        # again.
        timer = threading.Timer(KEEP_WAITING_SECONDS, cancel_unless_called)
        timer.daemon = True
        timer.start()

    def _execute(self, run: _Run) -> None:
        _start_thread(lambda: self._watch(run), f"watch {run.reference}")
        LOG.info("%s %s: started", run.slug, run.reference)
        try:
            run.answer = self._answer_of(run)
        finally:
            with self._lock:
                self._runs.pop(run.hash, None)
            run.done.set()
            run.close_polls()
            LOG.info("%s %s: %s", run.slug, run.reference,
                     run.answer[1].get("code"))

    def _watch(self, run: _Run) -> None:
        """Sends heartbeats, and ends the run when its request ends."""
        path = f"/requests/{run.hash}"
        wait = int(HEARTBEAT_SECONDS)
        beaten_at = -HEARTBEAT_SECONDS
        while not run.done.is_set() and not run.cancelled.is_set():
            started_at = time.monotonic()
            try:
                if started_at - beaten_at >= HEARTBEAT_SECONDS:
                    self._server.call("POST", f"{path}/heartbeat", run=run)
                    beaten_at = started_at
                _, body = self._server.call(
                    "GET", f"{path}/control?wait={wait}", wait=wait,
                    run=run, poll=run)
                if body.get("stop"):
                    run.cancel(str(body["stop"]))
            except ReportRefused as error:
                if error.code in ENDS:
                    run.cancel(error.code)
                else:
                    LOG.warning("the server refuses to watch a request: %s",
                                error.code)
                    return
            except _Unavailable:
                pass
            run.done.wait(
                max(0.0, RETRY_SECONDS - (time.monotonic() - started_at)))

    def _answer_of(self, run: _Run) -> Answer:
        try:
            is_kept, result = self._take_result(run.hash)
            if not is_kept:
                definition, handler = self._services[run.slug]
                result = handler(run.data, Request(
                    run, self._server,
                    lambda step: self._check_step(definition, step)))
                for fault in _result_faults(definition, result):
                    self._warn(f"{run.slug} returned a result that does not "
                               f"fit its definition: {fault}")
        except Cancelled as error:
            return _error_answer(run.reason or error.reason)
        except Exception as error:
            if run.cancelled.is_set():
                return _error_answer(run.reason)
            if isinstance(error, BotFailure):
                return 200, _failure_body(error)
            # Its message may contain what the submitter typed.
            frames = "".join(traceback.format_tb(error.__traceback__))
            LOG.error("%s %s: %s\n%s", run.slug, run.reference,
                      type(error).__name__, frames)
            status, body = _error_answer("bot_crashed")
            return status, {**body, "cause": _cause_of(error)}
        try:
            size = len(_to_json(result))
        except _NoJson:
            return _error_answer("bot_bad_answer")
        if size > MAX_RESULT_BYTES:
            return _error_answer("result_too_large")
        return self._complete(run, result)

    def _check_step(self, definition: Dict[str, Any], step: str) -> None:
        known = [str(each.get("id"))
                 for each in _dicts(definition.get("steps"))]
        # What is no identifier may be private data.
        if step not in known and re.fullmatch(r"[A-Za-z][A-Za-z_.:-]{0,63}",
                                              step):
            self._warn(f"{definition['slug']} reported a step that it does "
                       f"not have: {step} (its steps: {', '.join(known)})")

    def _warn(self, text: str) -> None:
        """Once for each text."""
        with self._lock:
            if text in self._warned or len(self._warned) >= MAX_WARNINGS:
                return
            self._warned.add(text)
        LOG.warning("%s", text)

    def _complete(self, run: _Run, result: object) -> Answer:
        """Stores the result. It counts although the run may be cancelled:
        the server decides whether it is still wanted.
        """
        run.end()
        started_at = time.monotonic()
        is_repeated = False
        success = 200, {"status": "success", "code": "COMPLETED",
                        "message": "Done.", "data": result}
        while True:
            try:
                self._server.call(
                    "POST", f"/requests/{run.hash}/complete",
                    {"result": result}, run=run)
                return success
            except ReportRefused as error:
                if (is_repeated and _status_of(self._server, run)
                        == "completed"):
                    return success
                if error.code == "stale_attempt":
                    self._keep_result(run.hash, result)
                if error.status == 401:
                    # The worker, which knows this bot, stores the result.
                    return success
                return _error_answer(error.code)
            except _Unavailable:
                is_repeated = True
                longest = (REPEAT_ANSWERED_SECONDS if run.callers > 0
                           else REPEAT_SECONDS)
                if (time.monotonic() - started_at >= longest
                        or self.is_stopping):
                    self._keep_result(run.hash, result)
                    return success
                time.sleep(RETRY_SECONDS)

    def _keep_result(self, request_hash: str, result: object) -> None:
        """Keeps it for the next call: the work is not done twice."""
        with self._lock:
            self._results[request_hash] = (time.monotonic(), result)
            while len(self._results) > MAX_KEPT_RESULTS:
                del self._results[next(iter(self._results))]

    def _take_result(self, request_hash: str) -> Tuple[bool, object]:
        with self._lock:
            limit = time.monotonic() - REPEAT_SECONDS
            for key, (kept_at, _) in list(self._results.items()):
                if kept_at < limit:
                    del self._results[key]
            if request_hash not in self._results:
                return False, None
            return True, self._results.pop(request_hash)[1]


class _Listener(ThreadingHTTPServer):
    """The HTTP server of a bot, with a limited number of threads."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self._slots = threading.BoundedSemaphore(bot.concurrency * 4 + 64)
        if ":" in bot.host:
            self.address_family = socket.AF_INET6
        super().__init__((bot.host, bot.port), _CallHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        try:
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\n"
                            b"Retry-After: 1\r\nContent-Length: 0\r\n"
                            b"Connection: close\r\n\r\n")
        except OSError:
            pass
        self.shutdown_request(request)

    def process_request_thread(self, request: Any,
                               client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("a connection failed", exc_info=True)


class _CallHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_SECONDS
    # Answers are small, and are sent at once.
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/health":
            self._send(200, self.server.bot.health())
        elif self._is_allowed():
            if path == "/api/services":
                self._send(200, {"services": self.server.bot.services})
            else:
                self._refuse(404, "not_found", "There is nothing here.")

    def do_POST(self) -> None:
        bot = self.server.bot
        if not self._is_allowed():
            return
        match = SERVICE_PATH.fullmatch(urlsplit(self.path).path)
        if match is None:
            self._refuse(404, "not_found", "There is nothing here.")
            return
        slug = unquote(match.group(1))
        if slug not in bot.services:
            self._refuse(404, "unknown_service",
                         f'There is no bot service "{slug[:100]}".')
            return
        data = self._read_body()
        if data is None:
            return
        request_hash = data.pop("requestHash", None)
        if (not isinstance(request_hash, str)
                or not REQUEST_HASH.fullmatch(request_hash)):
            self._refuse(422, "validation_failed",
                         "requestHash is missing or no request hash.")
            return
        # This library keeps the call open while it waits for a code.
        if data.pop("otp", None) is not None:
            self._send_answer(_error_answer("session_lost"))
            return
        attempt = self.headers.get("X-Attempt", "")
        traceparent = self.headers.get("traceparent", "")
        answer = bot.handle_call(
            slug, data, request_hash=request_hash,
            attempt=int(attempt) if re.fullmatch(r"\d{1,9}", attempt) else 0,
            is_resumed=self.headers.get("X-Resume") == "true",
            traceparent=(traceparent if TRACEPARENT.fullmatch(traceparent)
                         else ""),
            is_closed=self._is_closed)
        if answer is None:
            self.close_connection = True
        else:
            self._send_answer(answer)

    def _is_allowed(self) -> bool:
        expected = f"Bearer {self.server.bot.token}".encode()
        given = self.headers.get("Authorization", "").encode("utf-8",
                                                             "replace")
        if hmac.compare_digest(given, expected):
            return True
        self._refuse(401, "unauthorized",
                     "Send Authorization: Bearer with the token of the bot.",
                     {"WWW-Authenticate": "Bearer"})
        return False

    def _read_body(self) -> Optional[Dict[str, Any]]:
        """Returns the JSON object; None when it was refused."""
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,12}", length):
            self._refuse(411, "length_required", "Send Content-Length.")
            return None
        if int(length) > MAX_BODY_BYTES:
            self._refuse(413, "body_too_large", "The body is too large.")
            return None
        if self.headers.get("Content-Encoding", "identity") != "identity":
            self._refuse(415, "unsupported_media_type",
                         "Send the body without an encoding.")
            return None
        text = self.rfile.read(int(length))
        try:
            body = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            # Not the parser's message: it quotes what was sent.
            self._send(400, _error_body("invalid_json",
                                        "The body is no valid JSON."))
            return None
        if isinstance(body, dict):
            return body
        self._send(422, _error_body("validation_failed",
                                    "The body must be an object."))
        return None

    def _is_closed(self) -> bool:
        """Whether the caller has closed the connection."""
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(
                1, socket.MSG_PEEK)
        except ValueError:
            # More connections than select() knows.
            return False
        except OSError:
            return True

    def _refuse(self, status: int, code: str, message: str,
                headers: Mapping[str, str] = {}) -> None:
        """Also for a body that was not read: it may be long."""
        self.close_connection = True
        self._send(status, _error_body(code, message), headers)
        length = self.headers.get("Content-Length", "")
        if re.fullmatch(r"\d{1,7}", length):
            # A connection closed with unread data may lose the answer.
            remaining = int(length)
            while remaining > 0:
                part = self.rfile.read(min(remaining, 65536))
                if not part:
                    break
                remaining -= len(part)

    def _send_answer(self, answer: Answer) -> None:
        status, body = answer
        seconds = RETRY_AFTER_SECONDS.get(str(body.get("code")))
        is_refused = status in (429, 503) and seconds is not None
        self._send(status, body,
                   {"Retry-After": str(seconds)} if is_refused else {})

    def _send(self, status: int, body: Mapping[str, Any],
              headers: Mapping[str, str] = {}) -> None:
        text = _to_json(body)
        if self.server.bot.is_stopping:
            self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def version_string(self) -> str:
        return "halfway-bot"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: runs are logged by themselves."""


class _NoJson(Exception):
    """A value cannot be sent as JSON."""


def _to_json(value: object) -> bytes:
    try:
        return json.dumps(value, allow_nan=False,
                          ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        raise _NoJson from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _status_of(server: _Server, run: _Run) -> str:
    """The status of the request; empty when it is unknown."""
    try:
        _, view = server.call("GET", f"/requests/{run.hash}", run=run)
    except (_Unavailable, ReportRefused):
        return ""
    return str(view.get("status", ""))


def _dicts(values: object) -> List[Dict[str, Any]]:
    items = values if isinstance(values, (list, tuple)) else []
    return [item for item in items if isinstance(item, dict)]


def _result_faults(definition: Mapping[str, Any], result: object
                   ) -> List[str]:
    """Names, never values: they are logged. The worker checks the rest."""
    layout = definition.get("result")
    fields = _dicts(layout.get("fields") if isinstance(layout, dict) else [])
    if not fields or result is None:
        return []
    if not isinstance(result, dict):
        return ["it must be an object"]
    faults = []
    for field in fields:
        name = str(field.get("name"))
        value = result.get(name)
        types, fault = RESULT_TYPES.get(str(field.get("type")), ((), ""))
        is_right = (isinstance(value, types)
                    and (bool in types or not isinstance(value, bool))
                    and (dict not in types or "name" in value))
        if types and value is not None and not is_right:
            faults.append(f"{name} {fault}")
    return faults


def _failure(code: str) -> BotFailure:
    return BotFailure(code, MESSAGES[code], code in RETRYABLE,
                      message_key=code)


def _failure_body(error: BotFailure) -> Dict[str, Any]:
    return _without_none({
        "status": "error", "code": error.code, "message": error.message,
        "message_key": error.message_key,
        "message_params": error.message_params,
        "retryable": error.retryable})


def _error_body(code: str, message: str) -> Dict[str, Any]:
    return {"status": "error", "code": code, "message": message,
            "retryable": code in RETRYABLE}


def _error_answer(code: str) -> Answer:
    message = MESSAGES.get(code, "The server refused the result.")
    return HTTP_STATUS.get(code, 200), _error_body(code, message)


def _without_none(values: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _call_safely(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception as error:
        LOG.debug("a callback of a cancel failed: %s", type(error).__name__)


def _cause_of(error: BaseException) -> Dict[str, str]:
    """Class and place; its message may contain what the submitter typed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if frame.filename != __file__]
    cause = {"name": type(error).__name__}
    if frames:
        # The deepest frame of the bot itself, where it can be told apart.
        folder = os.getcwd() + os.sep
        own = [frame for frame in frames
               if frame.filename.startswith(folder)] or frames
        path = own[-1].filename
        name = (os.path.relpath(path) if path.startswith(folder)
                else os.path.basename(path))
        cause["at"] = f"{name.replace(os.sep, '/')}:{own[-1].lineno}"
    return cause


def _short_reference(request_hash: str) -> str:
    """Names a request in logs, as servers and workers do. It opens nothing."""
    digest = hashlib.sha256(request_hash.encode()).digest()
    return "".join(REFERENCE_ALPHABET[byte % 32] for byte in digest[:8])


def _start_thread(target: Callable[[], object],
                  name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _setting(*names: str) -> str:
    """The first of these environment variables that is set."""
    values = (os.environ.get(name, "").strip() for name in names)
    return next((value for value in values if value), "")


def _number(given: Optional[int], default: int, *names: str) -> int:
    if given is not None:
        return given
    text = _setting(*names)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError(f"{names[0]} must be a whole number.")
    return int(text)


def _parse_url(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        return parts
    raise ValueError("HALFWAY_URL must be an http or https address.")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
