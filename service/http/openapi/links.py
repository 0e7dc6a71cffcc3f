"""Where an answer leads, for the document: a program can go from an upload to its edit, and from there to the end."""

from typing import Any

from schema.models.edits import Mode

JSON = dict[str, Any]

TASK = "task_id"
FILE = "file_id"


def link_operations(operations: dict[str, JSON]) -> None:
    """Tell what can be done with what an operation has made or listed."""
    for upload in ("upload", "upload_alias"):
        operations[upload]["responses"]["201"]["links"] = {
            "edit": {
                "operationId": "create_task",
                "requestBody": {"mode": Mode.BACKGROUND_CHANGE, "source_image": "$response.body#/file_id"},
            },
            **_of_body(FILE, "get_file", "delete_file"),
        }
    for submit in ("create_task", "retry_task"):
        operations[submit]["responses"]["201"]["links"] = _of_body(
            TASK, "get_task", "cancel_task", "retry_task", "delete_task"
        )
    operations["cancel_task"]["responses"]["200"]["links"] = _of_body(TASK, "retry_task", "delete_task")
    for listing, name, operation in (("list_tasks", TASK, "get_task"), ("list_files", FILE, "get_file")):
        what = "tasks" if name == TASK else "files"
        operations[listing]["responses"]["200"]["links"] = {
            "newest": {"operationId": operation, "parameters": {name: f"$response.body#/{what}/0/{name}"}},
        }


def _of_body(name: str, *operations: str) -> JSON:
    """Operations on what the answer's body names."""
    return {
        operation: {"operationId": operation, "parameters": {name: f"$response.body#/{name}"}}
        for operation in operations
    }
