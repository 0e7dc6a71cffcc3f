"""RunningHub, as far as its public API documentation and clients tell: workflows by id, tasks, and a host of results.

It answers as that cloud does: HTTP 200 whatever happened, `code` 0 for success. A task's life goes on by being looked
at, so that nothing here is told by a clock; `hold()` keeps tasks where they are. Faults are planted by a test, each for
the next calls of one path.
"""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from hashlib import sha256
from http.server import ThreadingHTTPServer
from typing import Any, Literal, cast

from msgspec import Struct, field

from tests.fakes.runninghub_server import Answer, handler_of

KEY = "rh-key-0123456789abcdef0123456789"

Status = Literal["QUEUED", "RUNNING", "SUCCESS", "FAILED"]
Body = dict[str, Any]
Api = dict[str, Any]

CREATE = "/task/openapi/create"
STATUS = "/task/openapi/status"
OUTPUTS = "/task/openapi/outputs"
CANCEL = "/task/openapi/cancel"
UPLOAD = "/task/openapi/upload"
UPLOAD_V2 = "/openapi/v2/media/upload/binary"
WORKFLOW = "/api/openapi/getJsonApiFormat"
ACCOUNT = "/uc/openapi/accountStatus"

MESSAGES = {
    301: "PARAMS_INVALID",
    380: "WORKFLOW_NOT_EXISTS",
    415: "TASK_INSTANCE_MAXED",
    421: "TASK_QUEUE_MAXED",
    423: "TASK_NOT_FOUNED",
    433: "VALIDATE_PROMPT_FAILED",
    500: "UNKNOWN_ERROR",
    801: "APIKEY_UNSUPPORTED_FREE_USER",
    802: "APIKEY_UNAUTHORIZED",
    803: "APIKEY_INVALID_NODE_INFO",
    804: "APIKEY_TASK_IS_RUNNING",
    805: "APIKEY_TASK_STATUS_ERROR",
    806: "APIKEY_USER_NOT_FOUND",
    807: "APIKEY_TASK_NOT_FOUND",
    808: "APIKEY_UPLOAD_FAILED",
    809: "APIKEY_FILE_SIZE_EXCEEDED",
    811: "CORPAPIKEY_INVALID",
    812: "CORPAPIKEY_INSUFFICIENT_FUNDS",
    813: "APIKEY_TASK_IS_QUEUED",
    814: "PERSONAL_QUEUE_COUNT_LIMIT",
}


class Fault(Struct, frozen=True):
    """What becomes of a call: an error code, an HTTP status, an answer that is lost on its way, or one that waits."""

    code: int = 0
    http: int = 200
    lost: bool = False
    until: threading.Event | None = None
    body: bytes | None = None


class Task(Struct):
    """One run of a workflow. `looks` is how often it is asked for before it goes on."""

    task_id: str
    prompt: Api
    inputs: dict[str, str]
    status: Status = "QUEUED"
    looks: int = 0
    reason: Any = None
    cancelled: bool = False


class File(Struct, frozen=True):
    """What the host of results answers for a name."""

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    endless: bool = False


class FakeRunningHub:
    """One account's key, its workflows and tasks. Attributes may be changed by a test at any time."""

    def __init__(self, workflows: Mapping[str, Api]) -> None:
        self.base_url = ""
        self.workflows = dict(workflows)
        self.at_once = 3
        self.looks_queued = 0
        self.looks_running = 1
        self.coins = "1250"
        self.money: str | None = None
        self.prompt_tips: Any = None
        self.failing: Any = None
        """Set, tasks fail with this as their `failedReason`."""
        self.outputs: Callable[[Task], list[Body]] | None = None
        self.uploads: dict[str, bytes] = {}
        self.files: dict[str, File] = {}
        self.tasks: dict[str, Task] = {}
        self.calls: list[tuple[str, Body]] = []
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._held = False
        self._changed = threading.Condition()

    def plant(self, path: str, fault: Fault) -> None:
        """The next call of `path` meets it."""
        self._faults[path].append(fault)

    def hold(self) -> None:
        """Tasks stay as they are until `release`."""
        self._held = True

    def release(self) -> None:
        self._held = False

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds; it is looked at after each call."""
        with self._changed:
            assert self._changed.wait_for(condition, 30), "it did not come to that"

    def called(self, path: str) -> list[Body]:
        return [body for called, body in self.calls if called == path]

    @property
    def running(self) -> list[Task]:
        """Those that count against how many may be there at once."""
        return [task for task in self.tasks.values() if task.status in {"QUEUED", "RUNNING"}]

    def answer(self, path: str, body: Body, upload: bytes | None) -> Answer:
        """One call of the API; a lost answer was made all the same."""
        with self._changed:
            self.calls.append((path, body))
            fault = self._faults[path].popleft() if self._faults[path] else Fault()
            self._changed.notify_all()
        if fault.until is not None:
            fault.until.wait(60)
        with self._changed:
            if fault.http != 200 or fault.body is not None:
                return Answer(fault.http, fault.body or b"<html>Bad Gateway</html>")
            code, data = (fault.code, None) if fault.code else self._called(path, body, upload)
            self._changed.notify_all()
        told = {"code": code, "msg": MESSAGES.get(code, "NEW_CODE") if code else "success", "data": data}
        return Answer(200, json.dumps(told).encode(), lost=fault.lost)

    def file(self, name: str) -> File:
        return self.files.get(name, File(status=404))

    def _called(self, path: str, body: Body, upload: bytes | None) -> tuple[int, Any]:
        if body.get("apiKey", body.get("apikey")) != KEY:
            return 802, None
        if path in {UPLOAD, UPLOAD_V2}:
            return self._uploaded(path, upload)
        served = {
            CREATE: self._created,
            STATUS: self._status,
            OUTPUTS: self._outputs,
            CANCEL: self._cancelled,
            WORKFLOW: self._exported,
            ACCOUNT: self._account,
        }
        return served[path](body) if path in served else (301, None)

    def _exported(self, body: Body) -> tuple[int, Any]:
        workflow = self.workflows.get(body.get("workflowId", ""))
        return (380, None) if workflow is None else (0, {"prompt": json.dumps(workflow)})

    def _account(self, _: Body) -> tuple[int, Any]:
        money = {"remainMoney": self.money, "currency": "USD" if self.money else None}
        return 0, {"remainCoins": self.coins, "currentTaskCounts": str(len(self.running)), "apiType": "NORMAL", **money}

    def _uploaded(self, path: str, upload: bytes | None) -> tuple[int, Any]:
        if not upload:
            return 808, None
        name = f"{'api' if path == UPLOAD else 'openapi'}/{sha256(upload).hexdigest()}.jpg"
        self.uploads[name] = upload
        if path == UPLOAD:
            return 0, {"fileName": name, "fileType": "input"}
        return 0, {"type": "image", "download_url": self.url_of(name), "fileName": name, "size": str(len(upload))}

    def _created(self, body: Body) -> tuple[int, Any]:
        workflow = self.workflows.get(body.get("workflowId", ""))
        if workflow is None:
            return 380, None
        prompt = deepcopy(workflow)
        inputs: dict[str, str] = {}
        for node in cast("list[Body]", body.get("nodeInfoList") or []):
            fields = prompt.get(str(node.get("nodeId")), {}).get("inputs", {})
            if node.get("fieldName") not in fields:
                return 803, None
            fields[node["fieldName"]] = node.get("fieldValue")
            if node.get("fieldValue") in self.uploads:
                inputs[str(node["nodeId"])] = str(node["fieldValue"])
        if len(self.running) >= self.at_once:
            return 421, None
        task = Task(str(1_900_000_000_000_000_000 + len(self.tasks)), prompt, inputs)
        self.tasks[task.task_id] = task
        tips: Body = {"result": True, "error": None, "outputs_to_execute": ["9"], "node_errors": {}}
        if self.prompt_tips is not None:
            tips |= {"result": False, "node_errors": self.prompt_tips}
            task.status = "FAILED"
        made = {"taskId": task.task_id, "taskStatus": "RUNNING", "clientId": "e825290b08ca2015", "netWssUrl": ""}
        return 0, {**made, "promptTips": json.dumps(tips)}

    def _looked_at(self, body: Body) -> Task | None:
        """The task, which may have gone on since the last look."""
        task = self.tasks.get(str(body.get("taskId")))
        if task is None or self._held:
            return task
        task.looks += 1
        if task.status == "QUEUED" and task.looks > self.looks_queued:
            task.status, task.looks = "RUNNING", 1
        if task.status == "RUNNING" and task.looks > self.looks_running:
            task.reason = self.failing
            task.status = "SUCCESS" if self.failing is None else "FAILED"
        return task

    def _status(self, body: Body) -> tuple[int, Any]:
        task = self._looked_at(body)
        return (423, None) if task is None else (0, task.status)

    def _outputs(self, body: Body) -> tuple[int, Any]:
        task = self._looked_at(body)
        if task is None:
            return 807, None
        match task.status:
            case "QUEUED":
                return 813, None
            case "RUNNING":
                return 804, None
            case "FAILED":
                return 805, {"failedReason": task.reason}
            case "SUCCESS":
                return 0, self.made(task) if self.outputs is None else self.outputs(task)

    def _cancelled(self, body: Body) -> tuple[int, Any]:
        task = self.tasks.get(str(body.get("taskId")))
        if task is None:
            return 807, None
        if task in self.running:
            task.status, task.cancelled = "FAILED", True
        return 0, None

    def made(self, task: Task) -> list[Body]:
        """The first photo that the task was given, as the picture of each node that saves one."""
        name = f"{task.task_id}.png"
        self.files.setdefault(name, File(self.uploads[next(iter(task.inputs.values()))]))
        saving = [number for number, node in task.prompt.items() if node["class_type"] == "SaveImage"]
        about = {"fileType": "png", "taskCostTime": "3", "consumeCoins": "4"}
        return [{"fileUrl": self.url_of(name), "nodeId": number, **about} for number in saving]

    def url_of(self, name: str) -> str:
        return f"{self.base_url}/files/{name}"


@contextmanager
def running_hub(workflows: Mapping[str, Api]) -> Generator[FakeRunningHub]:
    """Serve it on a port of its own."""
    hub = FakeRunningHub(workflows)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub)) as server:
        server.daemon_threads = True
        hub.base_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
