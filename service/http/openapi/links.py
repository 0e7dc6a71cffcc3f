"""Where an answer leads, for the document: a program can go from a photo to its edit, and from there to the end."""

from typing import Any

from schema.models.edits import Mode

JSON = dict[str, Any]

OF_FILES = ("get_file", "delete_file")
OF_TASKS = ("get_task", "cancel_task", "retry_task", "delete_task")


def link_operations(operations: dict[str, JSON]) -> None:
    """Tell what can be done with what an operation has made or listed."""
    uploaded, newest_file = "$response.body#/file_id", "$response.body#/files/0/file_id"
    made, newest_task = "$response.body#/task_id", "$response.body#/tasks/0/task_id"
    for operation, status, links in (
        ("upload", "201", _edit(uploaded) | _each(OF_FILES, "file_id", uploaded)),
        ("upload_alias", "201", _edit(uploaded)),
        ("list_files", "200", _edit(newest_file) | _each(OF_FILES, "file_id", newest_file)),
        ("create_task", "201", _each(OF_TASKS, "task_id", made)),
        ("retry_task", "201", _each(OF_TASKS, "task_id", made)),
        ("cancel_task", "200", _each(("retry_task", "delete_task"), "task_id", made)),
        ("list_tasks", "200", _each(OF_TASKS, "task_id", newest_task)),
    ):
        operations[operation]["responses"][status]["links"] = links


def _edit(file_id: str) -> JSON:
    """The simplest edit of a photo."""
    body: JSON = {"mode": Mode.BACKGROUND_CHANGE, "source_image": file_id}
    nothing: JSON = {"reference_image": None, "config": {}, "webhook_url": None, "webhook_events": None}
    return {"create_task": {"operationId": "create_task", "requestBody": body | nothing}}


def _each(operations: tuple[str, ...], parameter: str, value: str) -> JSON:
    """These operations on what the answer names."""
    return {operation: {"operationId": operation, "parameters": {parameter: value}} for operation in operations}
