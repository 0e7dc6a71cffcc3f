"""What the schema's own code promises: prices, ids, states, messages; and that rows fit their structs."""

import re
from fractions import Fraction
from itertools import product
from math import ceil

import msgspec
import pytest

from schema.identifiers import ALPHABET, is_id, new_id
from schema.messages import message_id
from schema.models.accounts import UserRecord
from schema.models.edits import CONFIG_TYPES, REFERENCE_FIELDS, Mode, Quality, Size, available_modes, price
from schema.models.files import FileRecord
from schema.models.problems import STATUS, FailureCode, ProblemCode
from schema.models.tasks import LINE, NewTask, Priority, Task, TaskRecord, TaskStatus
from service.database import Connection

PRICES = {
    (Mode.HEAD_SWAP, None, None): 48,
    (Mode.HEAD_SWAP, Quality.STANDARD, Size.SMALL): 40,
    (Mode.BACKGROUND_CHANGE, None, None): 36,
    (Mode.BACKGROUND_CHANGE, Quality.HIGH, Size.MEDIUM): 54,
    (Mode.BACKGROUND_CHANGE, Quality.ULTRA, Size.XLARGE): 120,
    (Mode.POSE_CHANGE, Quality.LOW, Size.LARGE): 75,
    (Mode.POSE_CHANGE, Quality.HIGH, Size.LARGE): 113,
}


@pytest.mark.parametrize(("asked", "credits_"), PRICES.items())
def test_prices_are_the_contracts(asked: tuple[Mode, Quality | None, Size | None], credits_: int) -> None:
    assert price(*asked) == credits_


def test_a_price_is_exact_and_rounded_up_once() -> None:
    base = {Mode.HEAD_SWAP: 40, Mode.BACKGROUND_CHANGE: 30, Mode.POSE_CHANGE: 50}
    quality = {"low": "1", "medium": "1", "standard": "1", "high": "1.5", "ultra": "2"}
    size = {"small": "1", "medium": "1.2", "large": "1.5", "xlarge": "2"}
    for mode, asked, edge in product(Mode, Quality, Size):
        assert price(mode, asked, edge) == ceil(base[mode] * Fraction(quality[asked]) * Fraction(size[edge]))


def test_every_mode_is_described() -> None:
    assert set(CONFIG_TYPES) == set(REFERENCE_FIELDS) == set(Mode)
    for mode, names in REFERENCE_FIELDS.items():
        assert set(names) <= set(CONFIG_TYPES[mode].__struct_fields__)


def test_a_mode_is_available_when_its_engine_makes_it() -> None:
    assert available_modes(dict.fromkeys(Mode, ("local",))) >= {Mode.BACKGROUND_CHANGE}
    assert available_modes({}) == frozenset()


def test_ids_sort_by_their_birth_and_are_never_the_same() -> None:
    made = [new_id("task") for _ in range(2000)]
    assert len(set(made)) == 2000
    assert all(re.fullmatch(rf"task_[{ALPHABET}]{{26}}", one) for one in made)
    # 48 bits of milliseconds stand first: nine characters and three bits of the tenth.
    times = [one[5:14] for one in made]
    assert times == sorted(times)
    assert all(is_id(one) for one in made)


@pytest.mark.parametrize("text", ["", "a" * 65, "a b", "a\0", "a\n", "../a", "ä", "a%2e"])
def test_what_can_not_be_an_id_is_known(text: str) -> None:
    assert not is_id(text)


def test_every_problem_has_a_status() -> None:
    assert set(STATUS) == set(ProblemCode)
    assert all(code.value == code.name for code in (*ProblemCode, *FailureCode))


def test_ends_are_ends() -> None:
    assert [status for status in TaskStatus if status.ended] == ["done", "failed", "cancelled"]


def test_high_stands_before_normal_before_low_behind_who_lost_a_worker() -> None:
    assert [LINE[priority] for priority in (Priority.HIGH, Priority.NORMAL, Priority.LOW)] == [1, 2, 3]


def test_a_messages_id_changes_with_its_number() -> None:
    assert message_id("task_1", 0) != message_id("task_1", 1)


@pytest.mark.parametrize(
    "body",
    [
        '{"mode": "HEAD_SWAP"}',
        '{"mode": "FACE_SWAP", "source_image": "file_1"}',
        '{"mode": "HEAD_SWAP", "source_image": "file_1", "priority": "urgent"}',
        '{"mode": "HEAD_SWAP", "source_image": "../file", "config": {}}',
        '{"mode": "HEAD_SWAP", "source_image": "file_1\\n"}',
        '{"mode": "HEAD_SWAP", "source_image": "file_1", "price": 0}',
    ],
)
def test_what_is_not_a_new_task_is_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=NewTask)


def test_the_briefs_example_is_a_new_task() -> None:
    new = msgspec.json.decode('{"mode": "HEAD_SWAP", "source_image": "file_abc123", "config": {}}', type=NewTask)
    assert new == NewTask(Mode.HEAD_SWAP, "file_abc123")


@pytest.mark.parametrize(("table", "row_type"), [("tasks", TaskRecord), ("users", UserRecord), ("files", FileRecord)])
async def test_a_struct_names_its_tables_columns(connection: Connection, table: str, row_type: type) -> None:
    columns = await connection.fetch(
        "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = $1 ORDER BY column_name",
        table,
    )
    fields = msgspec.structs.fields(row_type)
    assert {row["column_name"] for row in columns} == {field.name for field in fields}
    nullable = {row["column_name"] for row in columns if row["is_nullable"] == "YES"}
    assert nullable == {field.name for field in fields if "None" in str(field.type)}


def test_a_tasks_columns_carry_the_names_that_clients_see() -> None:
    made_for_the_client = {"events_url", "queue"}
    assert set(Task.__struct_fields__) - made_for_the_client <= set(TaskRecord.__struct_fields__)
